package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// channel is what a kind of server does for one channel.
type channel interface {
	// join upgrades a request and returns when the client has gone.
	join(w http.ResponseWriter, r *http.Request)
	// publish takes the text of a message. It may wait for those before it.
	publish(text []byte)
}

// kinds are the servers there are. Each makes a channel, which lasts as long as the
// process.
var kinds = map[string]func() channel{
	"bare":   newBareChannel,
	"melody": newMelodyChannel,
}

func main() {
	kind := flag.String("kind", "bare", "bare or melody")
	addr := flag.String("addr", "127.0.0.1:0", "the `address` to listen on; port 0 takes a free one")
	flag.Parse()
	if err := serve(*kind, *addr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

// serve serves until the process ends. It prints its address once it listens.
func serve(kind, addr string, out io.Writer) error {
	newChannel := kinds[kind]
	if newChannel == nil {
		return fmt.Errorf("--kind: %q; want bare or melody", kind)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, l.Addr())
	server := &http.Server{Handler: newServer(newChannel), ReadHeaderTimeout: 5 * time.Second}
	return server.Serve(l)
}

// server has the channels of one kind. A channel is there from when it is first
// named, by a subscriber or a publisher.
type server struct {
	newChannel func() channel

	mu       sync.Mutex // guards what follows
	channels map[string]channel
}

// newServer has those of Belfry's routes that the load uses: subscribing over raw
// WebSocket, publishing, and being ready.
func newServer(newChannel func() channel) http.Handler {
	s := &server{newChannel: newChannel, channels: make(map[string]channel)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws/{channel}", func(w http.ResponseWriter, r *http.Request) {
		s.channel(r.PathValue("channel")).join(w, r)
	})
	mux.HandleFunc("POST /api/publish", s.publish)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ready") })
	return mux
}

// channel makes the channel if it is new.
func (s *server) channel(name string) channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[name]
	if c == nil {
		c = s.newChannel()
		s.channels[name] = c
	}
	return c
}

// maxBody is the most bytes of a publish call.
const maxBody = 1 << 20

// publish answers the same call as Belfry, in the same way: when the channel has taken
// the message, and not when subscribers have it.
func (s *server) publish(w http.ResponseWriter, r *http.Request) {
	var call struct {
		Channel string          `json:"channel"`
		Data    json.RawMessage `json:"data"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(body, &call)
	}
	if err == nil && (call.Channel == "" || len(call.Data) == 0) {
		err = errors.New("channel and data are needed")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.channel(call.Channel).publish(messageText(call.Data))
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{\"result\":{}}\n"))
}

// messageText is what subscribers are sent: a JSON string as its text, anything
// else as it is.
func messageText(data json.RawMessage) []byte {
	var text string
	if json.Unmarshal(data, &text) == nil {
		return []byte(text)
	}
	return data
}
