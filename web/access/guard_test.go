package access_test

import (
	"errors"
	"strings"
	"testing"

	"belfry/hub"
	"belfry/web/access"
	"belfry/web/fault"
)

// rules has a channel of each kind, named after who may publish.
var rules = hub.Rules{
	{Match: "server", ServerPublish: true},
	{Match: "client", ClientPublish: true},
	{Match: "both", ServerPublish: true, ClientPublish: true},
	{Match: "nobody"},
}

func newGuard() access.Rules { return access.Rules{For: hub.New(hub.Options{Rules: rules}).Rule} }

// allowed stands in the table of TestRules for a request without an error.
const allowed = fault.Application

// TestRules asks for each kind of identity, action and rule.
func TestRules(t *testing.T) {
	guard := newGuard()
	type answers map[string]fault.Kind // by channel
	publish := map[string]answers{
		"client":  {"server": fault.Denied, "client": allowed, "both": allowed, "nobody": fault.Denied},
		"backend": {"server": allowed, "client": fault.Denied, "both": allowed, "nobody": fault.Denied},
	}
	all := answers{"server": allowed, "client": allowed, "both": allowed, "nobody": allowed}
	none := answers{"server": fault.Denied, "client": fault.Denied, "both": fault.Denied, "nobody": fault.Denied}
	for _, c := range []struct {
		name       string
		who        *access.Identity
		action     access.Action
		subscribed bool
		want       answers
	}{
		{"an anonymous client publishes", nil, access.Publish, false, publish["client"]},
		{"a client publishes", &access.Identity{}, access.Publish, false, publish["client"]},
		{"a client publishes where it listens", nil, access.Publish, true, publish["client"]},
		{"the backend publishes", access.Backend, access.Publish, false, publish["backend"]},

		{"an anonymous client subscribes", nil, access.Subscribe, false, all},
		{"a client subscribes", &access.Identity{}, access.Subscribe, false, all},
		{"the backend subscribes", access.Backend, access.Subscribe, false, all},

		{"a client reads the history of where it listens", nil, access.ReadHistory, true, all},
		{"a client reads another history", nil, access.ReadHistory, false, none},
		{"the backend reads a history", access.Backend, access.ReadHistory, false, all},

		{"a client reads the presence of where it listens", &access.Identity{}, access.ReadPresence, true, all},
		{"a client reads another presence", &access.Identity{}, access.ReadPresence, false, none},
		{"the backend reads a presence", access.Backend, access.ReadPresence, false, all},
	} {
		t.Run(c.name, func(t *testing.T) {
			for channel, want := range c.want {
				r := access.Request{Who: c.who, Action: c.action, Channel: channel, Subscribed: c.subscribed}
				permit, err := guard.Allow(t.Context(), r)
				switch {
				case want == allowed && (err != nil || permit.Rule == nil || permit.Rule.Match != channel):
					t.Errorf("%s: got %+v, %v; want its rule", channel, permit, err)
				case want != allowed && (err == nil || fault.From(err).Kind != want):
					t.Errorf("%s: got %+v, %v; want kind %d", channel, permit, err, want)
				}
			}
		})
	}
}

// TestRulesOfNoChannel wants the hub's own errors. Whoever may not read a channel
// is not told whether there is one.
func TestRulesOfNoChannel(t *testing.T) {
	for _, c := range []struct {
		who     *access.Identity
		action  access.Action
		channel string
		want    fault.Kind
	}{
		{nil, access.Subscribe, "other", fault.UnknownChannel},
		{nil, access.Publish, "other", fault.UnknownChannel},
		{nil, access.ReadHistory, "other", fault.UnknownChannel},
		{access.Backend, access.ReadHistory, "other", fault.UnknownChannel},
		{access.Backend, access.Publish, "", fault.BadRequest},
		{nil, access.Subscribe, "a\n", fault.BadRequest},
	} {
		r := access.Request{Who: c.who, Action: c.action, Channel: c.channel}
		if _, err := newGuard().Allow(t.Context(), r); err == nil || fault.From(err).Kind != c.want {
			t.Errorf("%+v: got %v, want kind %d", r, err, c.want)
		}
	}
}

// A rule that is known is not looked up again.
func TestKnownRule(t *testing.T) {
	guard := access.Rules{For: func(channel string) (*hub.Rule, error) { return nil, errors.New("asked for " + channel) }}
	rule := &hub.Rule{Match: "*", Publish: hub.WhoAnyone}
	permit, err := guard.Allow(t.Context(), access.Request{Action: access.Publish, Channel: "a", Rule: rule})
	if err != nil || permit.Rule != rule {
		t.Errorf("got %+v, %v", permit, err)
	}
}

// TestOwnInfo has clients say who they are: where they publish, they are believed.
func TestOwnInfo(t *testing.T) {
	for _, c := range []struct{ channel, data, want string }{
		{"both", `{"name" : "ann"}`, `{"name":"ann"}`},
		{"client", `"ann"`, `"ann"`},
		{"server", `{"name" : "ann"}`, ""},
		{"server", `{`, ""},
		{"both", "", ""},
		{"both", "null", ""},
	} {
		r := access.Request{Action: access.Subscribe, Channel: c.channel, Data: []byte(c.data)}
		if permit, err := newGuard().Allow(t.Context(), r); err != nil || string(permit.Info) != c.want {
			t.Errorf("%s on %s: got %q, %v; want %q", c.data, c.channel, permit.Info, err, c.want)
		}
	}
	r := access.Request{Action: access.Subscribe, Channel: "both", Data: []byte(`{`)}
	if _, err := newGuard().Allow(t.Context(), r); err == nil || !strings.HasPrefix(err.Error(), "data: ") {
		t.Errorf("got %v, want the field that is wrong", err)
	}
}

func TestInfo(t *testing.T) {
	text := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	for name, c := range map[string]struct{ data, want, wantErr string }{
		"nothing":          {"", "", ""},
		"null":             {"null", "", ""},
		"compact":          {"{ }", "{}", ""},
		"as many bytes":    {text(1024), text(1024), ""},
		"that become less": {text(1023) + "      ", text(1023), ""},
		"one more":         {text(1025), "", "info: it has 1025 bytes, at most 1024 are accepted"},
		"not JSON":         {"{", "", "info: one JSON value in valid UTF-8 is expected"},
		"not UTF-8":        {"\"\xff\"", "", "info: one JSON value in valid UTF-8 is expected"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := access.Info("info", []byte(c.data))
			gotErr := ""
			if err != nil {
				if gotErr = err.Error(); fault.From(err).Kind != fault.BadRequest {
					t.Errorf("kind %d", fault.From(err).Kind)
				}
			}
			if string(got) != c.want || gotErr != c.wantErr {
				t.Errorf("got %q, %q; want %q, %q", got, gotErr, c.want, c.wantErr)
			}
		})
	}
}

// Everybody may come in, and is nobody.
func TestConnect(t *testing.T) {
	if who, err := newGuard().Connect(t.Context(), access.Hello{}); who != nil || err != nil {
		t.Errorf("got %+v, %v", who, err)
	}
}
