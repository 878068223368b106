package wire_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"belfry/web/wire"
)

// A message becomes a frame once, and goes to everybody. Sending does not wait for
// those who read.
func Example() {
	frame := wire.Text{}.AppendMessage(nil, []byte("noon"))
	options := &wire.Options{Limit: 1 << 20, WriteWait: 10 * time.Second}

	var clients []net.Conn
	for range 2 {
		server, client := net.Pipe()
		c := wire.NewConn(server, nil, options)
		if err := c.Send(frame); err != nil {
			log.Fatal(err)
		}
		c.Finish(wire.AppendClose(nil, 1000, "bye"), false, time.Minute)
		clients = append(clients, client)
		defer c.Wait()
		defer c.Close()
	}

	for _, client := range clients {
		text := make([]byte, len(frame))
		if _, err := io.ReadFull(client, text); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%x %q\n", text[:2], text[2:])
	}
	// Output:
	// 8104 "noon"
	// 8104 "noon"
}
