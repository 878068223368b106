package web_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"belfry/hub"
	"belfry/web"
	"belfry/web/centrifuge"
)

// answerRPC says what it was asked, or what is wrong.
func answerRPC(_ context.Context, c hub.ClientInfo, method string, data []byte) ([]byte, error) {
	switch method {
	case "nothing":
		return nil, nil
	case "refuse":
		return nil, &centrifuge.RPCError{Code: 1404, Message: "no such thing", Temporary: true}
	case "refuse with a code of others":
		return nil, &centrifuge.RPCError{Code: 100, Message: "secret"}
	case "break":
		return nil, errors.New("secret detail")
	case "nonsense":
		return []byte("{"), nil
	}
	return fmt.Appendf(nil, `{"method":%q,"data":%q,"client":%t}`, method, data, c.Client != ""), nil
}

func TestRPC(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) { o.RPC = answerRPC })
	cases := []struct {
		name, method, data string
		status             int
		want               string // EMPTY is a result without data
	}{
		{"good", "add", `,"DATA":[1, 2]`, 200, `{"data":{"client":CLIENT,"data":"[1,2]","method":"add"}}`},
		{"without data", "now", ``, 200, `{"data":{"client":CLIENT,"data":"","method":"now"}}`},
		{"without a result", "nothing", ``, 200, `{}`},
		{"refused", "refuse", ``, 400, `{"code":1404,"message":"no such thing","temporary":true}`},
		{"refused badly", "refuse with a code of others", ``, 500, `{"code":100,"message":"internal server error","temporary":true}`},
		{"broken", "break", ``, 500, `{"code":100,"message":"internal server error","temporary":true}`},
		{"nonsense", "nonsense", ``, 500, `{"code":100,"message":"internal server error","temporary":true}`},
		{"no method", "", ``, 400, `{"code":107,"message":"method: a name of 1 to 255 bytes is expected"}`},
		{"long method", strings.Repeat("m", 256), ``, 400, `{"code":107,"message":"method: a name of 1 to 255 bytes is expected"}`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			want := func(client bool) string { return strings.ReplaceAll(tc.want, "CLIENT", fmt.Sprint(client)) }
			member := map[bool]string{true: "rpc", false: "error"}[tc.status == 200]
			c := s.dialCentrifuge(t)
			c.say(fmt.Sprintf(`{"id":2,"rpc":{"method":%q%s}}`, tc.method, strings.ReplaceAll(tc.data, "DATA", "data")))
			if got := sorted(t, c.hear()); got != sorted(t, fmt.Sprintf(`{"id":2,%q:%s}`, member, want(true))) {
				t.Errorf("client heard %s\nwant %s", got, want(true))
			}
			member = map[bool]string{true: "result", false: "error"}[tc.status == 200]
			status, answer := s.call(t, "/api/rpc", fmt.Sprintf(`{"method":%q%s}`, tc.method, strings.ReplaceAll(tc.data, "DATA", "params")), "X-API-Key", testKey)
			if got := encode(t, answer); status != tc.status || got != sorted(t, fmt.Sprintf(`{%q:%s}`, member, want(false))) {
				t.Errorf("backend got %d %s\nwant %d %s", status, got, tc.status, want(false))
			}
		})
	}
	if got := strings.Count(s.log.String(), "secret detail"); got != 2 {
		t.Errorf("the handler's error is %d times in the log, want one for each call", got)
	}
}

// TestRPCGetsTheClient checks who the handler hears of, and that it may not take
// for ever.
func TestRPCGetsTheClient(t *testing.T) {
	clients := make(chan hub.ClientInfo, 1)
	s := newTestServer(t, func(o *web.Options) {
		o.RPC = func(ctx context.Context, c hub.ClientInfo, _ string, _ []byte) ([]byte, error) {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("no deadline")
			}
			clients <- c
			return nil, nil
		}
	})
	c, id := s.identified(t)
	c.say(`{"id":2,"rpc":{"method":"x"}}`)
	c.wants(`{"id":2,"rpc":{}}`)
	if got := <-clients; got.Client != id {
		t.Errorf("the handler heard of %v, want %s", got, id)
	}
}
