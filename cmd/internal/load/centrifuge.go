package load

import (
	"fmt"

	"belfry/cmd/internal/centrifuge"
)

// Commands have these IDs; all that publish have the same one, for their answers
// are only counted.
const (
	connectID   = 1
	subscribeID = 2
	publishID   = 3
)

// connectCommand is the first command of every connection. The token may be empty.
func connectCommand(token string) centrifuge.Command {
	return centrifuge.Command{ID: connectID, Connect: &centrifuge.ConnectRequest{Token: token, Name: "belfry bench"}}
}

// publishCommand publishes a text; it is made once and sent again and again, with
// another marker in it.
func publishCommand(channel, text string) []byte {
	return fmt.Appendf(nil, "{\"id\":%d,\"publish\":%s}", publishID, publication(channel, text))
}
