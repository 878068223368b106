package redisbroker_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

// writePEM writes one block to a new file and returns its path.
func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "block.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// selfSigned returns the files of a certificate for 127.0.0.1 and of its key.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},

		BasicConstraintsValid: true, IsCA: true, // it may sign itself
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "CERTIFICATE", der), writePEM(t, "PRIVATE KEY", pkcs8)
}

func TestRedisTLS(t *testing.T) {
	t.Parallel()
	cert, key := selfSigned(t)
	port := strconv.Itoa(hubtest.FreePort(t))
	hubtest.Redis(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no",
		"--tls-ca-cert-file", cert, "--requirepass", "s3cret")
	url := "rediss://:s3cret@127.0.0.1:" + port

	t.Run("works", func(t *testing.T) {
		h, _ := redisNode(t, url+"?skip_verify=true")
		waitReady(t, h)
		r := hubtest.Listen(t, h, "chat", "r")
		hubtest.Publish(t, h, "chat", "1")
		r.Want(t, "1")
	})
	t.Run("trusts nobody unknown", func(t *testing.T) {
		h, _ := redisNode(t, url)
		var unknown x509.UnknownAuthorityError
		if err := publishErr(h, ""); !errors.Is(err, hub.ErrUnavailable) || !errors.As(err, &unknown) {
			t.Errorf("Publish = %v, want an ErrUnavailable that says that the authority is unknown", err)
		}
	})
}

// A Redis that wants a certificate, signed by those whom the configuration names.
func TestRedisMutualTLS(t *testing.T) {
	t.Parallel()
	cert, key := selfSigned(t)
	port := strconv.Itoa(hubtest.FreePort(t))
	hubtest.Redis(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "yes", "--tls-ca-cert-file", cert)
	url := "rediss://127.0.0.1:" + port
	t.Run("works", func(t *testing.T) {
		o := patient(url)
		o.CA, o.Cert, o.Key = cert, cert, key
		h, _ := hubtest.Run(t, hub.Options{Broker: redisBroker(t, o)})
		waitReady(t, h)
		r := hubtest.Listen(t, h, "chat", "r")
		hubtest.Publish(t, h, "chat", "1")
		r.Want(t, "1")
	})
	for name, o := range map[string]redisbroker.Options{
		"no certificate": {URL: url, CA: cert},
		"unknown CA":     {URL: url, Cert: cert, Key: key},
	} {
		t.Run(name, func(t *testing.T) {
			var log hubtest.Log
			o.Timeout, o.Logger = hubtest.Patience, slog.New(slog.NewTextHandler(&log, nil))
			h, _ := hubtest.Run(t, hub.Options{Broker: redisBroker(t, o)})
			hubtest.Eventually(t, hubtest.Patience, func() bool { return strings.Contains(log.String(), "redis.ca has to name") }, "the log says what mends it")
			var refused *hub.RefusedError
			if err := publishErr(h, ""); !errors.As(err, &refused) || !refused.Lasts || errors.Is(err, hub.ErrUnanswered) {
				t.Errorf("Publish = %v, want a refusal that lasts", err)
			}
		})
	}
	for name, o := range map[string]redisbroker.Options{
		"without TLS": {URL: "redis://127.0.0.1", CA: cert}, "no file": {URL: url, CA: "/nowhere"}, "no certificate in it": {URL: url, CA: key},
		"no key": {URL: url, Cert: cert}, "not its key": {URL: url, Cert: cert, Key: cert},
	} {
		if _, err := redisbroker.New(o); err == nil || !strings.Contains(err.Error(), "redis.c") {
			t.Errorf("%s: %v, want an error that names the key of the configuration", name, err)
		}
	}
}
