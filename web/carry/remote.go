package carry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"belfry/hub"
	"belfry/web/fault"
	"belfry/web/session"
)

var errOwnerSilent = fault.New(fault.Unavailable, "the node of this session has not answered in time, try again")

// Any node takes any request of a session: one that is another node's is passed on
// to it by a call of the hub. Both calls, and their answers, are a line of JSON
// and then bytes as they are.
const (
	callSend  = "session.say"   // takes lines of a client
	callFetch = "session.fetch" // waits for what a session has to say
)

const (
	// forwardPart is how many bytes travel between nodes in one call, about: what
	// is more is cut where a line ends.
	forwardPart = 256 << 10
	// forwardMost is how many bytes of one line travel between nodes.
	forwardMost = 700 << 10
	// forwardWait is how long a node waits for another to have something to say,
	// and forwardGrace how much longer for it to say so. A node that has died
	// without a word is noticed after both, and its sessions' clients are told.
	forwardWait  = 5 * time.Second
	forwardGrace = 2 * time.Second
)

// pack puts a head before bytes, and unpack reads it.
func pack(head any, parts ...[]byte) []byte {
	b := append(fault.AppendJSON(nil, head), '\n')
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func unpack(data []byte, head any) (rest []byte, err error) {
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	return rest, json.Unmarshal(line, head)
}

// Ask makes a call of the node that has a session, and reads the head of its
// answer. A node that is no more is an error of the kind [fault.Ended].
func (l *Links) Ask(ctx context.Context, node, call string, data []byte, head any) ([]byte, error) {
	answer, err := l.hub.CallWaiting(ctx, node, call, data)
	switch {
	case errors.Is(err, hub.ErrNoNode):
		return nil, errNoSession
	case errors.Is(err, hub.ErrNoAnswer):
		return nil, errOwnerSilent
	case err != nil:
		return nil, err
	}
	return unpack(answer, head)
}

// Answer is the head of an answer to a call that brings what a client says.
type Answer struct {
	Got   uint64        `json:"got"`
	Error *fault.Packed `json:"error,omitempty"`
}

// Pack makes the whole answer.
func (a Answer) Pack() []byte { return pack(a) }

// sendForOther takes lines that another node was sent.
func (l *Links) sendForOther(_ context.Context, data []byte) ([]byte, error) {
	var sent sending
	lines, err := unpack(data, &sent)
	if err != nil {
		return nil, err
	}
	sent.lines = lines
	var a Answer
	if link := l.Find(sent.Secret, UntilAcknowledged); link == nil {
		err = errNoSession
	} else {
		a.Got, err = link.takeInTurn(sent)
	}
	a.Error = fault.Pack(err)
	return a.Pack(), nil
}

// sendToOther passes lines on, as many at a time as travel, until they end or are
// not taken.
func (l *Links) sendToOther(w http.ResponseWriter, r *http.Request, node string, sent sending) error {
	lines, err := fault.ReadBody(w, r, maxSendBody, "")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*sendWait)
	defer cancel()
	for {
		size := cutLines(lines, forwardPart)
		sent.lines, lines = lines[:size], lines[size:]
		if len(sent.lines) > forwardMost {
			return fault.BodyTooLarge(forwardMost, "")
		}
		var a Answer
		if _, err := l.Ask(ctx, node, callSend, pack(sent, sent.lines), &a); err != nil {
			return err
		}
		sent.First += uint64(bytes.Count(sent.lines, []byte("\n")))
		if a.Error != nil {
			return a.Error.Unpack()
		}
		if len(lines) == 0 || a.Got+1 < sent.First {
			answerSent(w, a.Got)
			return nil
		}
	}
}

// cutLines returns how many bytes of lines to take at once: whole lines, most
// bytes at most, but at least one line.
func cutLines(lines []byte, most int) int {
	if len(lines) <= most {
		return len(lines)
	}
	if i := bytes.LastIndexByte(lines[:most], '\n'); i >= 0 {
		return i + 1
	}
	if i := bytes.IndexByte(lines, '\n'); i >= 0 {
		return i + 1
	}
	return len(lines)
}

// fetching is what a node asks for, for a request of a session at another.
type fetching struct {
	Secret     string `json:"secret"`
	Got        uint64 `json:"got"`                // lines that the client has
	Generation uint64 `json:"turn,omitempty"`     // 0: the request is new
	Position   uint64 `json:"position,omitempty"` // of the byte to go on with
	Most       int    `json:"most"`               // bytes
	Wait       int64  `json:"wait"`               // milliseconds
}

// fetched is the head of the answer; the frames follow.
type fetched struct {
	Generation uint64        `json:"turn,omitempty"`
	Position   uint64        `json:"position,omitempty"` // of the byte behind the frames
	Dialect    uint8         `json:"wrap,omitempty"`     // 1: lines, 2: events
	Whole      bool          `json:"whole,omitempty"`
	Last       bool          `json:"last,omitempty"`
	Replaced   bool          `json:"replaced,omitempty"`
	Error      *fault.Packed `json:"error,omitempty"`
}

// packDialect and unpackDialect are for a session on its way to another node, which
// is always one of lines.
func packDialect(d Dialect) uint8 {
	if l, ok := d.(lines); ok && l.events {
		return 2
	}
	return 1
}

func unpackDialect(n uint8) lines { return lines{events: n == 2} }

// fetchForOther waits for what a session has to say, for a node that was asked.
func (l *Links) fetchForOther(ctx context.Context, data []byte) ([]byte, error) {
	var asked fetching
	if _, err := unpack(data, &asked); err != nil {
		return nil, err
	}
	f, err := l.fetchAgain(&asked)
	if err != nil {
		return pack(fetched{Error: fault.Pack(err)}), nil
	}
	if f == nil {
		return pack(fetched{Replaced: true}), nil
	}
	defer f.leave()
	found, err := f.next(ctx, max(1, min(asked.Most, forwardPart)), time.Duration(asked.Wait)*time.Millisecond)
	if errors.Is(err, errReplaced) {
		return pack(fetched{Replaced: true}), nil
	}
	if err != nil {
		return nil, err
	}
	head := fetched{Generation: f.generation, Position: f.position, Dialect: packDialect(f.dialect()), Whole: found.whole, Last: found.last}
	f.done(found.last)
	return pack(head, found.frames...), nil
}

// fetchAgain begins to fetch, or goes on. It returns nil when another request has
// taken the session over.
func (l *Links) fetchAgain(asked *fetching) (*fetch, error) {
	link := l.Find(asked.Secret, UntilAcknowledged)
	switch {
	case link == nil:
		return nil, errNoSession
	case asked.Generation != 0:
		return link.fetchOn(asked.Generation, asked.Position), nil
	case !link.acknowledge(asked.Got):
		return nil, errGot
	}
	return link.fetch(asked.Got), nil
}

// carryForOther answers with what a session at another node has to say.
func (x *exchange) carryForOther(node, secret string, answer func() error) error {
	s := &remoteSource{links: x.links, node: node, ask: fetching{Secret: secret, Got: x.got}}
	// The first call finds out whether there is such a session, while there is
	// still a status to say it with.
	first, err := s.call(x.r.Context(), forwardPart, 0)
	if err != nil {
		return err
	}
	s.first = &first
	x.source = s
	return answer()
}

// remoteSource fetches from a session at another node. It is for one goroutine.
type remoteSource struct {
	links  *Links
	node   string
	ask    fetching
	said   lines  // the dialect of the session
	first  *piece // what came with the first call
	within bool   // what was fetched ends within a frame
}

func (s *remoteSource) dialect() Dialect { return s.said }

// done does nothing: what the client has is acknowledged by its next request.
func (s *remoteSource) done(bool) {}

// leave does nothing: the session waits for its next request since the last call.
func (s *remoteSource) leave() {}

// next implements [source]. It fails when the server goes down.
func (s *remoteSource) next(ctx context.Context, most int, wait time.Duration) (piece, error) {
	if first := s.first; first != nil {
		s.first = nil
		if first.size > 0 || first.last || wait <= 0 {
			return *first, nil
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.links.sessions.Draining(), cancel)()
	for end := time.Now().Add(wait); ; {
		left := min(time.Until(end), forwardWait)
		found, err := s.call(ctx, most, max(left, 0))
		if err != nil || found.size > 0 || found.last || left < forwardWait {
			return found, err
		}
	}
}

// call asks the other node once.
func (s *remoteSource) call(ctx context.Context, most int, wait time.Duration) (piece, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+forwardGrace)
	defer cancel()
	s.ask.Most, s.ask.Wait = most, wait.Milliseconds()
	var head fetched
	frames, err := s.links.Ask(ctx, s.node, callFetch, pack(s.ask), &head)
	switch {
	case s.links.sessions.Draining().Err() != nil:
		return piece{}, session.ErrDraining
	case err != nil:
		return piece{}, err
	case head.Replaced:
		return piece{}, errReplaced
	case head.Error != nil:
		return piece{}, head.Error.Unpack()
	}
	cut := s.ask.Generation != 0 && head.Position-uint64(len(frames)) != s.ask.Position
	s.ask.Generation, s.ask.Position, s.said = head.Generation, head.Position, unpackDialect(head.Dialect)
	if cut && s.within {
		return piece{}, errReplaced // the rest of a frame was dropped: the client asks again
	}
	s.within = !head.Whole
	return piece{[][]byte{frames}, len(frames), head.Whole, head.Last}, nil
}
