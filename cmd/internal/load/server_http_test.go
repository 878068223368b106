package load

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// fakePoll is how long a fake long-poll waits.
const fakePoll = 50 * time.Millisecond

// overHTTP is the endpoint for sessions over HTTP. Each is named after its number.
func (s *fakeServer) overHTTP(w http.ResponseWriter, r *http.Request) {
	via, name := r.FormValue("via"), r.FormValue("session")
	switch {
	case via == "send":
		s.hearHTTP(w, r, name)
	case name != "":
		c := s.find(name)
		got, _ := strconv.Atoi(r.FormValue("got"))
		if c == nil || got != c.lines {
			http.Error(w, "it has other lines", http.StatusBadRequest)
			return
		}
		s.poll(w, c, "")
	default:
		c := &fakeClient{channel: r.PathValue("channel"), out: make(chan string, 4096), gone: make(chan struct{})}
		name = s.remember(c)
		s.join(c)
		opening := fmt.Sprintf("[\"open\",%q,\"\"]\n", name)
		if via == "poll" {
			s.poll(w, c, opening)
			return
		}
		s.stream(w, via, c, opening)
	}
}

func (s *fakeServer) remember(c *fakeClient) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions = append(s.sessions, c)
	return "node." + strconv.Itoa(len(s.sessions)-1)
}

func (s *fakeServer) find(name string) *fakeClient {
	i, err := strconv.Atoi(strings.TrimPrefix(name, "node."))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || i >= len(s.sessions) {
		return nil
	}
	return s.sessions[i]
}

// hearHTTP takes an acknowledgement or a goodbye.
func (s *fakeServer) hearHTTP(w http.ResponseWriter, r *http.Request, name string) {
	c := s.find(name)
	body, _ := io.ReadAll(r.Body)
	if c == nil || len(body) > 0 && (string(body) != "[\"close\",1000,\"\"]\n" || r.FormValue("first") != "1") {
		http.Error(w, "what is that", http.StatusBadRequest)
		return
	}
	if len(body) > 0 {
		s.goodbyes.Add(1)
		s.leave(c)
		close(c.gone)
	}
	fmt.Fprint(w, `{"got":1}`)
}

func (s *fakeServer) stream(w http.ResponseWriter, via string, c *fakeClient, line string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	defer s.leave(c)
	fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
	for {
		if via == "events" {
			line = "data: " + line + "\n"
		}
		if _, err := io.WriteString(conn, line); err != nil {
			return
		}
		select {
		case text := <-c.out:
			line = messageOf(text)
		case <-c.gone:
			return
		}
	}
}

func (s *fakeServer) poll(w http.ResponseWriter, c *fakeClient, body string) {
	wait := time.NewTimer(fakePoll)
	defer wait.Stop()
	if body == "" {
		select {
		case text := <-c.out:
			body = c.together(text)
		case <-wait.C:
			body = "[\"ping\"]\n"
		case <-c.gone:
			body = "[\"close\",1000,\"\"]\n"
		}
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	fmt.Fprint(w, body)
}

// together is a text and those that wait behind it, up to a size.
func (c *fakeClient) together(text string) (body string) {
	for {
		c.lines++
		body += messageOf(text)
		if len(body) > 100_000 {
			return body
		}
		select {
		case text = <-c.out:
		default:
			return body
		}
	}
}

func messageOf(text string) string {
	quoted, _ := json.Marshal(text) // a string
	return fmt.Sprintf("[\"m\",%s]\n", quoted)
}
