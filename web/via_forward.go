package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"belfry/hub"
	"belfry/web/fault"
)

var errOwnerSilent = fault.New(fault.Unavailable, "the node of this session has not answered in time, try again")

// Any node takes any request of a session: one that is another node's is passed on
// to it by a call of the hub. Both calls, and their answers, are a line of JSON
// and then bytes as they are.
const (
	callSay   = "session.say"   // takes lines of a client
	callFetch = "session.fetch" // waits for what a session has to say

	callEmulate = "session.emulate" // takes commands of a client; see emulation.go
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

// callOwner makes a call of the node that has a session, and reads the head of its
// answer.
func (s *Server) callOwner(ctx context.Context, node, name string, data []byte, head any) ([]byte, error) {
	answer, err := s.hub.CallWaiting(ctx, node, name, data)
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

type saidAnswer struct {
	Got   uint64        `json:"got"`
	Error *fault.Packed `json:"error,omitempty"`
}

// sayForOther takes lines that another node was sent.
func (s *Server) sayForOther(_ context.Context, data []byte) ([]byte, error) {
	var said saying
	lines, err := unpack(data, &said)
	if err != nil {
		return nil, err
	}
	said.lines = lines
	var a saidAnswer
	if t := s.carried.find(said.Secret); t == nil || t.bound {
		err = errNoSession
	} else {
		a.Got, err = t.takeInTurn(said)
	}
	a.Error = fault.Pack(err)
	return pack(a), nil
}

// sayToOther passes lines on, as many at a time as travel, until they end or are
// not taken.
func (s *Server) sayToOther(w http.ResponseWriter, r *http.Request, node string, said saying) error {
	lines, err := fault.ReadBody(w, r, maxSayBody, "")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*sayWait)
	defer cancel()
	for {
		size := cutLines(lines, forwardPart)
		said.lines, lines = lines[:size], lines[size:]
		if len(said.lines) > forwardMost {
			return fault.BodyTooLarge(forwardMost, "")
		}
		var a saidAnswer
		if _, err := s.callOwner(ctx, node, callSay, pack(said, said.lines), &a); err != nil {
			return err
		}
		said.First += uint64(bytes.Count(said.lines, []byte("\n")))
		if a.Error != nil {
			return a.Error.Unpack()
		}
		if len(lines) == 0 || a.Got+1 < said.First {
			answerSaid(w, a.Got)
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
	Secret   string `json:"secret"`
	Got      uint64 `json:"got"`                // lines that the client has
	Turn     uint64 `json:"turn,omitempty"`     // 0: the request is new
	Position uint64 `json:"position,omitempty"` // of the byte to go on with
	Most     int    `json:"most"`               // bytes
	Wait     int64  `json:"wait"`               // milliseconds
}

// fetched is the head of the answer; the frames follow.
type fetched struct {
	Turn     uint64        `json:"turn,omitempty"`
	Position uint64        `json:"position,omitempty"` // of the byte behind the frames
	Wrap     uint8         `json:"wrap,omitempty"`     // 1: lines, 2: events
	Whole    bool          `json:"whole,omitempty"`
	Last     bool          `json:"last,omitempty"`
	Replaced bool          `json:"replaced,omitempty"`
	Error    *fault.Packed `json:"error,omitempty"`
}

// packLines is the dialect of a session on its way to another node.
func packLines(d dialect) uint8 {
	if l, ok := d.(lines); ok && l.events {
		return 2
	}
	return 1
}

// fetchForOther waits for what a session has to say, for a node that was asked.
func (s *Server) fetchForOther(ctx context.Context, data []byte) ([]byte, error) {
	var f fetching
	if _, err := unpack(data, &f); err != nil {
		return nil, err
	}
	p, err := s.pullFor(&f)
	if err != nil {
		return pack(fetched{Error: fault.Pack(err)}), nil
	}
	if p == nil {
		return pack(fetched{Replaced: true}), nil
	}
	defer p.leave()
	found, err := p.next(ctx, max(1, min(f.Most, forwardPart)), time.Duration(f.Wait)*time.Millisecond)
	if errors.Is(err, errReplaced) {
		return pack(fetched{Replaced: true}), nil
	}
	if err != nil {
		return nil, err
	}
	head := fetched{Turn: p.turn, Position: p.position, Wrap: packLines(p.framing()), Whole: found.whole, Last: found.last}
	p.done(found.last)
	return pack(head, found.frames...), nil
}

// pullFor begins to fetch, or goes on. It returns nil when another request has
// taken the session over.
func (s *Server) pullFor(f *fetching) (*pull, error) {
	t := s.carried.find(f.Secret)
	switch {
	case t == nil || t.bound:
		return nil, errNoSession
	case f.Turn != 0:
		return t.pullAgain(f.Turn, f.Position), nil
	case !t.acknowledge(f.Got):
		return nil, errGot
	}
	return t.pull(f.Got), nil
}

// carryForOther answers with what a session at another node has to say.
func (s *Server) carryForOther(c *carrying, node, secret string, answer func(*carrying) error) error {
	p := &farPull{server: s, node: node, ask: fetching{Secret: secret, Got: c.got}}
	// The first call finds out whether there is such a session, while there is
	// still a status to say it with.
	first, err := p.call(c.r.Context(), forwardPart, 0)
	if err != nil {
		return err
	}
	p.first = &first
	c.puller = p
	return answer(c)
}

// farPull is a request for a session at another node. It is a puller for one
// goroutine.
type farPull struct {
	server *Server
	node   string
	ask    fetching
	wrap   lines
	first  *part // what came with the first call
	midway bool  // what was fetched ends within a frame
}

func (p *farPull) framing() dialect { return p.wrap }

// done does nothing: what the client has is acknowledged by its next request.
func (p *farPull) done(bool) {}

// leave does nothing: the session waits for its next request since the last call.
func (p *farPull) leave() {}

// next implements [puller]. It fails when the server goes down.
func (p *farPull) next(ctx context.Context, most int, wait time.Duration) (part, error) {
	if first := p.first; first != nil {
		p.first = nil
		if first.size > 0 || first.last || wait <= 0 {
			return *first, nil
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.server.carried.life, cancel)()
	for end := time.Now().Add(wait); ; {
		left := min(time.Until(end), forwardWait)
		found, err := p.call(ctx, most, max(left, 0))
		if err != nil || found.size > 0 || found.last || left < forwardWait {
			return found, err
		}
	}
}

// call asks the other node once.
func (p *farPull) call(ctx context.Context, most int, wait time.Duration) (part, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+forwardGrace)
	defer cancel()
	p.ask.Most, p.ask.Wait = most, wait.Milliseconds()
	var head fetched
	frames, err := p.server.callOwner(ctx, p.node, callFetch, pack(p.ask), &head)
	switch {
	case p.server.isDraining():
		return part{}, errDraining
	case err != nil:
		return part{}, err
	case head.Replaced:
		return part{}, errReplaced
	case head.Error != nil:
		return part{}, head.Error.Unpack()
	}
	cut := p.ask.Turn != 0 && head.Position-uint64(len(frames)) != p.ask.Position
	p.ask.Turn, p.ask.Position, p.wrap = head.Turn, head.Position, lines{events: head.Wrap == 2}
	if cut && p.midway {
		return part{}, errReplaced // the rest of a frame was dropped: the client asks again
	}
	p.midway = !head.Whole
	return part{[][]byte{frames}, len(frames), head.Whole, head.Last}, nil
}
