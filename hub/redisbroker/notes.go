package redisbroker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

const (
	// notesAtOnce is how many notes are read, or kept, in one round trip.
	notesAtOnce = 500
	// unmarked is the mark where nothing was ever noted.
	unmarked = "none"
)

// notes are those of all nodes, in one hash; see notes.lua.
type notes struct{ *client }

// Notes implements [hub.NoteStore]. The mark is read first: what is noted while the rest
// is read is found by the next question.
func (n *notes) Notes(ctx context.Context, seen string) (all []hub.Note, mark string, err error) {
	if err := n.voucher.unfit(); err != nil {
		return nil, "", err
	}
	key := n.keys.notes()
	if mark, err = n.mark(ctx, key); mark == seen || err != nil {
		return nil, mark, unavailable("read notes", err)
	}
	var over []string
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		var fields []string
		if fields, cursor, err = n.scan(ctx, key, cursor); err != nil {
			return nil, "", unavailable("read notes", err)
		}
		for i := 0; i+1 < len(fields); i += 2 {
			name, isNote := strings.CutPrefix(fields[i], "n")
			note, err := parseNote(name, fields[i+1])
			switch {
			case !isNote:
			case err != nil || note.IsOver(time.Now()):
				over = append(over, name)
			default:
				all = append(all, note)
			}
		}
	}
	n.forget(ctx, over)
	return all, mark, nil
}

// mark reads the mark. Where somebody else has written to the key nothing is noted.
func (n *notes) mark(ctx context.Context, key string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	mark, err := n.redis.HGet(ctx, key, "m").Result()
	if errors.Is(err, redis.Nil) || err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE") {
		return unmarked, nil
	}
	return mark, err
}

func (n *notes) scan(ctx context.Context, key string, cursor uint64) (fields []string, next uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	fields, next, err = n.redis.HScan(ctx, key, cursor, "", notesAtOnce).Result()
	if err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE") {
		return nil, 0, nil
	}
	return fields, next, err
}

// forget lets go of notes that are over, as they are now. What is left is for another
// time.
func (n *notes) forget(ctx context.Context, names []string) {
	for len(names) > 0 {
		some := names[:min(len(names), notesAtOnce)]
		names = names[len(some):]
		args := []any{"", time.Now().Unix()}
		for _, name := range some {
			args = append(args, "n"+name, "")
		}
		if n.run(ctx, args) != nil {
			return
		}
	}
}

// KeepNotes implements [hub.NoteStore].
func (n *notes) KeepNotes(ctx context.Context, notes []hub.Note) error {
	if err := n.voucher.unfit(); err != nil {
		return err
	}
	for len(notes) > 0 {
		some := notes[:min(len(notes), notesAtOnce)]
		notes = notes[len(some):]
		args := []any{rand.Text(), time.Now().Unix()}
		for _, note := range some {
			args = append(args, "n"+note.Name, fmt.Sprintf("%016d %d %s", note.Made, note.Until, note.Text))
		}
		if err := n.run(ctx, args); err != nil {
			return unavailable("keep notes", err)
		}
	}
	return nil
}

func (n *notes) run(ctx context.Context, args []any) error {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	return notesScript.Run(ctx, n.redis, []string{n.keys.notes()}, args...).Err()
}

// parseNote reads what KeepNotes has written.
func parseNote(name, value string) (hub.Note, error) {
	made, rest, _ := strings.Cut(value, " ")
	until, text, ok := strings.Cut(rest, " ")
	note := hub.Note{Name: name, Text: text}
	var err, other error
	note.Made, err = strconv.ParseInt(made, 10, 64)
	note.Until, other = strconv.ParseInt(until, 10, 64)
	if err := errors.Join(err, other); err != nil || !ok {
		return note, fmt.Errorf("bad note %q: %w", name, err)
	}
	return note, nil
}
