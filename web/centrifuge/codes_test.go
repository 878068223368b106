package centrifuge

import (
	"testing"

	"belfry/web/fault"
	"belfry/web/session"
)

// TestErrorCodes wants a code for every kind of error: with 0 a client would take
// the reply for a good one.
func TestErrorCodes(t *testing.T) {
	for k := fault.Internal; k < fault.Application; k++ {
		if e := newReplyError(fault.New(k, "x")); e.Code < 100 || e.Code > 199 || e.Message != "x" {
			t.Errorf("kind %d: %+v", k, e)
		}
	}
	own := newReplyError(&fault.Error{Kind: fault.Application, Code: 1234, Message: "sold out", Temporary: true})
	if *own != (replyError{1234, "sold out", true}) {
		t.Errorf("an error of the site's own is %+v", own)
	}
}

// TestCloseCodes wants a code for every reason, from those of which clients know
// whether to come back.
func TestCloseCodes(t *testing.T) {
	stay := map[session.Reason]bool{session.BadRequest: true, session.NotText: true, session.Stale: true, session.Denied: true, session.BadToken: true, session.Crowded: true, session.Forced: true}
	for why := session.Normal; why <= session.Forced; why++ {
		code, reason := new(protocol).CloseCode(why)
		if reason == "" || len(reason) > 123 {
			t.Errorf("reason %d: %d with the text %q", why, code, reason)
		}
		switch {
		case why == session.InvalidUTF8 && code == 1007: // the transport's own
		case stay[why] && code >= 3500 && code <= 3999:
		case !stay[why] && code >= 3000 && code <= 3499:
		default:
			t.Errorf("reason %d: code %d", why, code)
		}
	}
}
