package web

import (
	"encoding/json"
	"strconv"

	"belfry/hub"
)

// clientInfo is how the Centrifuge protocol says who a client is.
type clientInfo struct {
	User     string          `json:"user"`
	Client   string          `json:"client"`
	ConnInfo json.RawMessage `json:"conn_info,omitempty"`
	ChanInfo json.RawMessage `json:"chan_info,omitempty"`
}

func newClientInfo(c hub.ClientInfo) clientInfo {
	return clientInfo{c.User, c.Client, c.ConnInfo, c.ChanInfo}
}

// appendPublication appends the push of a message. It is written by hand: it is
// made once for every message, and the data is JSON already.
func appendPublication(dst []byte, channel string, m *hub.Message) []byte {
	dst = append(dst, `{"push":{"channel":`...)
	dst = appendString(dst, channel)
	dst = append(dst, `,"pub":{"data":`...)
	dst = append(dst, m.Data...)
	if m.Info != nil {
		dst = append(dst, `,"info":`...)
		dst = appendJSON(dst, newClientInfo(*m.Info))
	}
	if len(m.Tags) > 0 {
		dst = append(dst, `,"tags":`...)
		dst = appendJSON(dst, m.Tags)
	}
	if m.Offset > 0 {
		dst = append(dst, `,"offset":`...)
		dst = strconv.AppendUint(dst, m.Offset, 10)
	}
	return append(dst, `}}}`...)
}

// newPublications turns messages into results.
func newPublications(messages []*hub.Message) []publicationResult {
	results := make([]publicationResult, len(messages))
	for i, m := range messages {
		results[i] = publicationResult{Data: m.Data, Offset: m.Offset, Tags: m.Tags}
		if m.Info != nil {
			info := newClientInfo(*m.Info)
			results[i].Info = &info
		}
	}
	return results
}

// appendUnsubscribe appends the push that ends a subscription.
func appendUnsubscribe(dst []byte, channel string, code int, reason string) []byte {
	dst = append(dst, `{"push":{"channel":`...)
	dst = appendString(dst, channel)
	dst = append(dst, `,"unsubscribe":{"code":`...)
	dst = strconv.AppendInt(dst, int64(code), 10)
	dst = append(dst, `,"reason":`...)
	dst = appendString(dst, reason)
	return append(dst, `}}}`...)
}
