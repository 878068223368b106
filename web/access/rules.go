package access

import (
	"context"
	"fmt"

	"belfry/hub"
	"belfry/web/fault"
)

// Rules is the [Guard] that goes by the rules of a hub. Every client is anonymous.
type Rules struct {
	// For returns the rule of a channel, as [hub.Hub.Rule] does.
	For func(channel string) (*hub.Rule, error)
}

// Connect implements [Guard].
func (Rules) Connect(context.Context, Hello) (*Identity, error) { return nil, nil }

// Allow implements [Guard]. Clients read what they are subscribed to: others
// would read what they may not hear.
func (g Rules) Allow(_ context.Context, r Request) (Permit, error) {
	reads := r.Action == ReadHistory || r.Action == ReadPresence
	if reads && !r.Subscribed && !r.Who.isBackend() {
		return Permit{}, errClientDenied
	}
	p := Permit{Rule: r.Rule}
	if p.Rule == nil {
		var err error
		if p.Rule, err = g.For(r.Channel); err != nil {
			return Permit{}, err
		}
	}
	var err error
	switch r.Action {
	case Publish:
		err = mayPublish(p.Rule, r.Who)
	case Subscribe:
		p.Info, err = ownInfo(p.Rule, r)
	}
	return p, err
}

func mayPublish(rule *hub.Rule, who *Identity) error {
	switch {
	case who.isBackend() && !rule.ServerPublish:
		return errServerDenied
	case !who.isBackend() && !rule.ClientPublish:
		return errClientDenied
	}
	return nil
}

// ownInfo makes what a client says of itself its chan_info, so that others see
// its name. Nobody checks that name, which is no loss where clients publish: there
// they can say any name anyway. On all other channels who somebody is would be
// taken for the server's word, and the data is ignored.
func ownInfo(rule *hub.Rule, r Request) ([]byte, error) {
	if !rule.ClientPublish {
		return nil, nil
	}
	return Info("data", r.Data)
}

// maxInfo is the largest chan_info in bytes.
const maxInfo = 1 << 10

// Info returns JSON that tells who somebody is, in compact form: of at most 1 KiB.
// Nil and null tell nothing. Errors name the field that it came in.
func Info(field string, data []byte) ([]byte, error) {
	if len(data) == 0 || string(data) == "null" {
		return nil, nil
	}
	info, err := fault.Compact(data)
	switch {
	case err != nil:
		return nil, fault.Field(field, "one JSON value in valid UTF-8 is expected")
	case len(info) > maxInfo:
		return nil, fault.Field(field, fmt.Sprintf("it has %d bytes, at most %d are accepted", len(info), maxInfo))
	}
	return info, nil
}
