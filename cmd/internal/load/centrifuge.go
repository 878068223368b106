package load

import (
	"encoding/json"
	"errors"
	"fmt"
)

// centrifugeState is where a connection of the Centrifuge protocol stands.
type centrifugeState struct {
	pong       bool  // pings are answered
	subscribed bool  // the subscribe command was accepted
	err        error // a command was refused
}

// Commands have these IDs; all that publish have the same one, for their answers
// are only counted.
const (
	connectID   = 1
	subscribeID = 2
	publishID   = 3
)

// centrifugeReply is what is read of a reply or of a push that is no message.
type centrifugeReply struct {
	ID      uint32 `json:"id"`
	Connect *struct {
		Pong bool `json:"pong"`
	} `json:"connect"`
	Error *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// refusal is the error in a reply, or nil.
func (r *centrifugeReply) refusal() error {
	if r.Error == nil {
		return nil
	}
	return fmt.Errorf("the server refuses a command: %s (%d)", r.Error.Message, r.Error.Code)
}

// centrifugeHello connects and subscribes in one frame.
func centrifugeHello(channel string) []byte {
	return fmt.Appendf(centrifugeConnect(), "\n{\"id\":%d,\"subscribe\":{\"channel\":%s}}", subscribeID, quote(channel))
}

func centrifugeConnect() []byte {
	return fmt.Appendf(nil, "{\"id\":%d,\"connect\":{\"name\":\"belfry bench\"}}", connectID)
}

// quote returns a string as JSON has it.
func quote(text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string
	}
	return quoted
}

// reply takes a line that is no message: a ping or the answer to a command.
func (s *subscriber) reply(line []byte) {
	if string(line) == "{}" {
		if s.state.pong {
			_ = s.send(opText, line) // reading tells when the connection is broken
		}
		return
	}
	var r centrifugeReply
	if json.Unmarshal(line, &r) != nil {
		s.state.err = errors.New("the server does not speak the Centrifuge protocol in JSON")
		return
	}
	switch {
	case r.ID == 0: // a push
	case r.Error != nil && r.ID > subscribeID:
		s.refused.Add(1)
	case r.Error != nil:
		s.state.err = r.refusal()
	case r.ID == connectID && r.Connect != nil:
		s.state.pong = r.Connect.Pong
	case r.ID == subscribeID:
		s.state.subscribed = true
	}
}
