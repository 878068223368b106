package load

import (
	"encoding/json"
	"errors"
	"fmt"

	"belfry/cmd/internal/centrifuge"
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

// connectCommand is the first command of every connection.
func connectCommand() centrifuge.Command {
	return centrifuge.Command{ID: connectID, Connect: &centrifuge.ConnectRequest{Name: "belfry bench"}}
}

// refusal is the error of a reply that has one.
func refusal(e *centrifuge.Error) error {
	return fmt.Errorf("the server refuses a command: %s (%d)", e.Message, e.Code)
}

// reply takes a line that is no message: a ping or the answer to a command.
func (s *subscriber) reply(line []byte) {
	if string(line) == centrifuge.Ping {
		if s.state.pong {
			_ = s.send(opText, line) // reading tells when the connection is broken
		}
		return
	}
	var r centrifuge.Reply
	if json.Unmarshal(line, &r) != nil {
		s.state.err = errors.New("the server does not speak the Centrifuge protocol in JSON")
		return
	}
	switch {
	case r.ID == 0: // a push
	case r.Error != nil && r.ID > subscribeID:
		s.refused.Add(1)
	case r.Error != nil:
		s.state.err = refusal(r.Error)
	case r.ID == connectID && r.Connect != nil:
		s.state.pong = r.Connect.Pong
	case r.ID == subscribeID:
		s.state.subscribed = true
	}
}
