package redisbroker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

// secure has connections with TLS use the files of the options.
func secure(ro *redis.Options, o Options) error {
	if o.CA == "" && o.Cert == "" && o.Key == "" {
		return nil
	}
	if ro.TLSConfig == nil {
		return errors.New("redis.ca, redis.cert and redis.key are for TLS: the URL has to begin with rediss://")
	}
	if o.CA != "" {
		text, err := os.ReadFile(o.CA)
		if err != nil {
			return fmt.Errorf("redis.ca: %w", err)
		}
		ro.TLSConfig.RootCAs = x509.NewCertPool()
		if !ro.TLSConfig.RootCAs.AppendCertsFromPEM(text) {
			return fmt.Errorf("redis.ca: %s has no certificate in PEM", o.CA)
		}
	}
	if o.Cert == "" && o.Key == "" {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(o.Cert, o.Key)
	if err != nil {
		return fmt.Errorf("redis.cert and redis.key: %w; want two files of PEM that belong together", err)
	}
	ro.TLSConfig.Certificates = []tls.Certificate{cert}
	return nil
}

// tlsError is why there is no TLS with what has taken a connection.
type tlsError struct{ error }

func (e tlsError) Unwrap() error { return e.error }

// dialTLS returns what makes connections with TLS. That of the library does not say
// whether it was the connection that could not be made, or TLS: a port without it just
// waits for more.
func dialTLS(config *tls.Config, timeout time.Duration) func(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := redis.NewDialer(&redis.Options{DialTimeout: timeout})
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		plain, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		secured := tls.Client(plain, config)
		ctx, cancel := context.WithTimeout(ctx, timeout*2/3) // before who asked gives up
		defer cancel()
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = plain.Close()
			return nil, tlsError{fmt.Errorf("TLS: %w", err)}
		}
		return secured, nil
	}
}

// isAboutTLS reports whether a connection could not be made because one side does not
// speak TLS, or does not trust the other. A server that wants a certificate says so
// when all seems done.
func isAboutTLS(err error) bool {
	var handshake tlsError
	var way *net.OpError
	return errors.As(err, &handshake) || errors.As(err, &way) && way.Op == "remote error" // as crypto/tls says it
}
