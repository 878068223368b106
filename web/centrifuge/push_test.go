package centrifuge

import (
	"testing"

	"belfry/hub"
)

// TestEncodersAreShared wants equal encoders to be equal to the hub, which makes
// frames once for all that are.
func TestEncodersAreShared(t *testing.T) {
	var plain hub.Encoder = encoder{replies{}, false}
	if plain != hub.Encoder(encoder{replies{}, false}) {
		t.Error("two encoders of one framing are not equal")
	}
	for _, other := range []hub.Encoder{encoder{replies{}, true}, encoder{replies{events: true}, false}} {
		if plain == other {
			t.Errorf("%+v is equal to %+v", plain, other)
		}
	}
}

// TestEncoder makes pushes of messages, and of joins and leaves for who has asked
// for them.
func TestEncoder(t *testing.T) {
	ann := &hub.ClientInfo{Client: "a1", ChanInfo: []byte(`"ann"`)}
	for _, c := range []struct {
		name      string
		joinLeave bool
		message   hub.Message
		want      string
	}{
		{"a message", false, hub.Message{Data: []byte(`{"a":"<b>"}`)}, `{"push":{"channel":"chat","pub":{"data":{"a":"<b>"}}}}`},
		{"one with everything", false, hub.Message{Data: []byte(`1`), Info: ann, Tags: map[string]string{"k": "v"}, Offset: 7},
			`{"push":{"channel":"chat","pub":{"data":1,"info":{"user":"","client":"a1","chan_info":"ann"},"tags":{"k":"v"},"offset":7}}}`},
		{"a message beside joins", true, hub.Message{Data: []byte(`1`)}, `{"push":{"channel":"chat","pub":{"data":1}}}`},
		{"a join", true, hub.Message{Kind: hub.KindJoin, Info: ann},
			`{"push":{"channel":"chat","join":{"info":{"user":"","client":"a1","chan_info":"ann"}}}}`},
		{"a leave", true, hub.Message{Kind: hub.KindLeave, Info: ann},
			`{"push":{"channel":"chat","leave":{"info":{"user":"","client":"a1","chan_info":"ann"}}}}`},
		{"a join that nobody asked for", false, hub.Message{Kind: hub.KindJoin, Info: ann}, ""},
		{"a leave that nobody asked for", false, hub.Message{Kind: hub.KindLeave, Info: ann}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := "x"
			if c.want != "" {
				want += c.want + "\n"
			}
			got := encoder{replies{}, c.joinLeave}.AppendFrame([]byte("x"), "chat", &c.message)
			if string(got) != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestDialect has lines of replies and the end of a session in both forms.
func TestDialect(t *testing.T) {
	for _, c := range []struct {
		dialect        replies
		messages, last string
	}{
		{replies{}, "{\"id\":1}\n{\"id\":2}\n", `{"push":{"disconnect":{"code":3001,"reason":"shutdown"}}}` + "\n"},
		{replies{events: true}, "data: {\"id\":1}\n\ndata: {\"id\":2}\n\n",
			`data: {"push":{"disconnect":{"code":3001,"reason":"shutdown"}}}` + "\n\n"},
	} {
		if got := string(c.dialect.AppendMessage(nil, []byte("{\"id\":1}\n{\"id\":2}"))); got != c.messages {
			t.Errorf("messages are %q, want %q", got, c.messages)
		}
		if got := string(c.dialect.AppendEnd(nil, 3001, "shutdown")); got != c.last {
			t.Errorf("the end is %q, want %q", got, c.last)
		}
		if got := c.dialect.AppendPing(nil); len(got) != 0 {
			t.Errorf("a ping is %q", got)
		}
	}
}
