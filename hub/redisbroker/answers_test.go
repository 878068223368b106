package redisbroker

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

// reply is an error that Redis answers with.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

func TestUnavailable(t *testing.T) {
	cases := []struct {
		name       string
		err        error
		unanswered bool
		reason     string
	}{
		{"no memory", reply("OOM command not allowed when used memory > 'maxmemory'. script: 77, on @user_script:9."), false, "Redis is out of memory"},
		{"no memory, Redis 6", reply("ERR Error running script (call to f_77): @user_script:9: @user_script: 9: -OOM command not allowed when used memory > 'maxmemory'."), false, "Redis is out of memory"},
		{"replica", reply("READONLY You can't write against a read only replica."), false, "Redis is read-only"},
		{"full disk", reply("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."), false, "Redis cannot save its data and takes no more"},
		{"no replicas", reply("NOREPLICAS Not enough good replicas to write."), false, "Redis has too few replicas"},
		{"starting", reply("LOADING Redis is loading the dataset in memory"), false, "Redis is still loading its data"},
		{"a right is missing", reply("NOPERM this user has no permissions"), false, "Redis says NOPERM: its user lacks a right"},
		{"another answer", reply("WRONGTYPE Operation against a key holding the wrong kind of value"), false, `Redis answers "WRONGTYPE"`},
		{"not sent", unsentError{io.EOF}, false, ""},
		{"no TLS", tlsError{tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}}, false, "there is no TLS with Redis as it is configured"},
		{"alert of TLS", &net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}, false, "there is no TLS with Redis as it is configured"},
		{"no connection", &net.OpError{Op: "dial", Err: errors.New("connection refused")}, false, ""},
		{"all connections busy", redis.ErrPoolTimeout, false, ""},
		{"no answer in time", &net.OpError{Op: "read", Err: context.DeadlineExceeded}, true, ""},
		{"caller went away", context.Canceled, true, ""},
		{"connection broke", io.EOF, true, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			err := unavailable("publish", tc.err)
			var refused *hub.RefusedError
			if !errors.As(err, &refused) {
				refused = &hub.RefusedError{}
			}
			if !errors.Is(err, hub.ErrUnavailable) || !errors.Is(err, tc.err) || errors.Is(err, hub.ErrUnanswered) != tc.unanswered || refused.Reason != tc.reason {
				t.Errorf("got %v, want ErrUnavailable, unanswered %t, reason %q", err, tc.unanswered, tc.reason)
			}
		})
	}
}
