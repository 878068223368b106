package centrifuge

import (
	"encoding/json"
	"strconv"

	"belfry/hub"
	"belfry/web/fault"
	"belfry/web/session"
)

// ClientInfo is how the Centrifuge protocol says who a client is.
type ClientInfo struct {
	User     string          `json:"user"`
	Client   string          `json:"client"`
	ConnInfo json.RawMessage `json:"conn_info,omitempty"`
	ChanInfo json.RawMessage `json:"chan_info,omitempty"`
}

func newClientInfo(c hub.ClientInfo) ClientInfo {
	return ClientInfo{c.User, c.Client, c.ConnInfo, c.ChanInfo}
}

// encoder is the format of the protocol in a framing: equal ones share
// frames.
type encoder struct {
	framing   session.Framing
	joinLeave bool // there are pushes of who joins and leaves, too
}

// AppendFrame implements [hub.Encoder].
func (e encoder) AppendFrame(dst []byte, channel string, m *hub.Message) []byte {
	switch {
	case m.Kind == hub.KindPublished:
		return e.framing.AppendMessage(dst, appendPublication(nil, channel, m))
	case e.joinLeave:
		return e.framing.AppendMessage(dst, appendJoinLeave(nil, channel, m))
	}
	return dst
}

// appendPublication appends the push of a message. It is written by hand: it is
// made once for every message, and the data is JSON already.
func appendPublication(dst []byte, channel string, m *hub.Message) []byte {
	dst = append(dst, `{"push":{"channel":`...)
	dst = fault.AppendString(dst, channel)
	dst = AppendContent(append(dst, `,"pub":{`...), m)
	return append(dst, `}}}`...)
}

// AppendContent appends the members of a publication, without the braces around them:
// its data, and what else the message has.
func AppendContent(dst []byte, m *hub.Message) []byte {
	dst = append(dst, `"data":`...)
	dst = append(dst, m.Data...)
	if m.Info != nil {
		dst = append(dst, `,"info":`...)
		dst = fault.AppendJSON(dst, newClientInfo(*m.Info))
	}
	if len(m.Tags) > 0 {
		dst = append(dst, `,"tags":`...)
		dst = fault.AppendJSON(dst, m.Tags)
	}
	if m.Offset > 0 {
		dst = append(dst, `,"offset":`...)
		dst = strconv.AppendUint(dst, m.Offset, 10)
	}
	return dst
}

// appendJoinLeave appends the push of a join or a leave.
func appendJoinLeave(dst []byte, channel string, m *hub.Message) []byte {
	kind := "join"
	if m.Kind == hub.KindLeave {
		kind = "leave"
	}
	dst = appendPush(dst, channel, kind)
	dst = append(dst, `{"info":`...)
	dst = fault.AppendJSON(dst, newClientInfo(*m.Info))
	return append(dst, `}}}`...)
}

// appendPush appends a push up to what the kind holds.
func appendPush(dst []byte, channel, kind string) []byte {
	dst = append(dst, `{"push":{"channel":`...)
	dst = fault.AppendString(dst, channel)
	dst = append(dst, `,"`...)
	dst = append(dst, kind...)
	return append(dst, `":`...)
}

// newPublications turns messages into results, which share their data.
func newPublications(messages []*hub.Message) []Publication {
	results := make([]Publication, len(messages))
	for i, m := range messages {
		results[i] = Publication{Data: m.Data, Offset: m.Offset, Tags: m.Tags, Time: m.Time}
		if m.Info != nil {
			info := newClientInfo(*m.Info)
			results[i].Info = &info
		}
	}
	return results
}

// subscribePush tells a client that the server has subscribed it.
type subscribePush struct {
	Recoverable bool            `json:"recoverable,omitempty"`
	Epoch       string          `json:"epoch,omitempty"`
	Offset      uint64          `json:"offset,omitempty"`
	Positioned  bool            `json:"positioned,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
}

// appendSubscribe appends the push that begins a server-side subscription.
func appendSubscribe(dst []byte, channel string, p subscribePush) []byte {
	dst = fault.AppendJSON(appendPush(dst, channel, "subscribe"), p)
	return append(dst, `}}`...)
}

// unsubscribePush tells a client that a subscription has ended.
type unsubscribePush struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// appendUnsubscribe appends the push that ends a subscription.
func appendUnsubscribe(dst []byte, channel string, p unsubscribePush) []byte {
	dst = fault.AppendJSON(appendPush(dst, channel, "unsubscribe"), p)
	return append(dst, `}}`...)
}
