package ws

import (
	"net/http"
	"strings"

	"belfry/web/fault"
)

// ErrNoUpgrade is for a request that is no handshake.
var ErrNoUpgrade = fault.New(fault.Upgrade, "this is a WebSocket endpoint: send Connection: Upgrade and Upgrade: websocket").With("Upgrade", "websocket")

var (
	errVersion   = fault.New(fault.Upgrade, "Sec-WebSocket-Version: 13 is spoken here").With("Sec-Websocket-Version", "13")
	errVersions  = fault.New(fault.Upgrade, "Sec-WebSocket-Version: 13, 8 and 7 are spoken here").With("Sec-Websocket-Version", "13, 8, 7")
	errDraft     = fault.New(fault.BadRequest, "this draft of WebSocket is not spoken here: send Sec-WebSocket-Version: 13 (RFC 6455); older clients find /echo and /ws/{channel}")
	errHybiDraft = fault.New(fault.BadRequest, "Sec-WebSocket-Draft: hybi-01 to hybi-03 are not spoken; accepted: Sec-WebSocket-Version 13, 8 or 7, hixie-76 and hixie-75")
	errLegacyOff = fault.New(fault.BadRequest, "clients from before RFC 6455 are switched off (legacy.enabled, BELFRY_LEGACY_ENABLED): send Sec-WebSocket-Version: 13")
)

// draft is the version of the WebSocket protocol that a client speaks.
type draft uint8

const (
	draftRFC      draft = iota // RFC 6455, version 13
	draftHybi                  // versions 7 and 8: the same on the wire
	draftHixie75               // no key: any HTTP client could have sent it
	draftHixie76               // two keys and eight bytes of body
	draftUnspoken              // hybi-01 to hybi-03, which no browser shipped
)

// draftOf tells drafts apart by what the client sends, in the order in which the
// servers of the time did.
func draftOf(r *http.Request) (draft, error) {
	has := func(name string) bool { return len(r.Header[name]) > 0 }
	switch {
	case !isUpgrade(r):
		return 0, ErrNoUpgrade
	case has("Sec-Websocket-Version") || has("Sec-Websocket-Key"):
		return draftOfVersion(r.Header.Get("Sec-Websocket-Version"))
	case has("Sec-Websocket-Draft"):
		return draftUnspoken, nil
	case has("Sec-Websocket-Key1") || has("Sec-Websocket-Key2"):
		return draftHixie76, nil
	}
	return draftHixie75, nil
}

func draftOfVersion(version string) (draft, error) {
	switch strings.TrimSpace(version) {
	case "13":
		return draftRFC, nil
	case "7", "8":
		return draftHybi, nil
	}
	return 0, errVersions
}
