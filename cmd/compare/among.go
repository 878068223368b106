package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"belfry/cmd/internal/process"
)

const (
	// calmWait is how long a server has to give memory back when strangers have gone,
	// and calmSlack how much more than before it may keep, in bytes.
	calmWait  = time.Minute
	calmSlack = 16 << 20
)

// amongStrangers loads a server that has the memory of a small container while
// strangers come to where it is said, and then waits until it has given their memory
// back. Without an address there are none.
func amongStrangers(come func(context.Context, *server) (addr string, err error)) func(context.Context, *programs, variant) (*report, error) {
	return func(ctx context.Context, p *programs, v variant) (*report, error) {
		s, err := p.startServer(ctx, contained)
		if err != nil {
			return nil, err
		}
		defer s.stop()
		cursor, err := s.fillChat(ctx)
		if err != nil {
			return nil, err
		}
		before, err := process.Read(s.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		ctx, leave := context.WithCancel(ctx)
		defer leave()
		addr, err := come(ctx, s)
		if err != nil {
			return nil, err
		}
		stop := startStrangers(ctx, addr, strangers(cursor))
		r, err := p.bench(ctx, s, v.flags)
		stop()
		if err == nil && s.url == "http://"+addr {
			r.Calm, err = s.calm(ctx, before.Memory)
		}
		return r, err
	}
}

// Where strangers come to.
func nowhere(context.Context, *server) (addr string, err error) { return "", nil }
func toServer(_ context.Context, s *server) (addr string, err error) {
	return strings.TrimPrefix(s.url, "http://"), nil
}

// toSink has them come to a listener that reads what they say, does nothing, and ends
// with the context. They take as much of the processors as elsewhere.
func toSink(ctx context.Context, _ *server) (addr string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go func() { // ends with the listener, and what it starts with the strangers
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			go func() { _, _ = io.Copy(io.Discard, conn); _ = conn.Close() }()
		}
	}()
	return listener.Addr().String(), nil
}

// fillChat gives the channel chat as much history as it may have, and returns the
// cursor before that.
func (s *server) fillChat(ctx context.Context) (cursor string, err error) {
	body := []byte(`{"channel":"chat","data":"` + strings.Repeat("x", 60_000) + `"}`)
	for range 80 {
		if err := s.call(ctx, "/api/publish", body); err != nil {
			return "", err
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/history", strings.NewReader(`{"channel":"chat"}`))
	if err != nil {
		return "", err
	}
	r.Header.Set("X-API-Key", apiKey)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var at struct{ Result struct{ Epoch string } }
	if err := json.NewDecoder(answer.Body).Decode(&at); err != nil {
		return "", fmt.Errorf("/api/history: %w", err)
	}
	return cursorBefore("chat", at.Result.Epoch), nil
}

// cursorBefore is the cursor of /events before the first message of a channel.
func cursorBefore(channel, epoch string) string {
	h := fnv.New32a()
	_, _ = io.WriteString(h, channel)
	raw := binary.BigEndian.AppendUint32([]byte{1}, h.Sum32())
	return base64.RawURLEncoding.EncodeToString(append(append(append(raw, byte(len(epoch))), epoch...), 0))
}

// calm waits until a server has no more memory than before, and a little.
func (s *server) calm(ctx context.Context, before int64) (*calmReport, error) {
	start := time.Now()
	for {
		now, err := process.Read(s.cmd.Process.Pid)
		if err != nil {
			return nil, fmt.Errorf("the server has not lived through it: %w", err)
		}
		r := &calmReport{Before: before, After: now.Memory, Seconds: time.Since(start).Seconds()}
		if now.Memory <= before+calmSlack || time.Since(start) > calmWait || ctx.Err() != nil {
			return r, nil
		}
		time.Sleep(time.Second)
	}
}
