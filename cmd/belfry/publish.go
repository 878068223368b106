package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"belfry/configs"
)

// maxData is the most bytes of data that are read from standard input: the most
// that a server can be configured to accept (limits.body).
const maxData = 64 << 20

// publishCommand is belfry publish. Its exit code tells what became of the message:
// an answer that did not come is a failure too, and the error says that nobody knows.
type publishCommand struct {
	Channel string `arg:"" help:"The channel to publish to."`
	Data    string `arg:"" help:"JSON, or any other text, which is published as a JSON string. A dash reads it from standard input."`

	serverFlags
	Key            string            `help:"The server's API key; in BELFRY_API_KEY it is not seen by others on this machine." env:"BELFRY_API_KEY" placeholder:"KEY"`
	IdempotencyKey string            `help:"A message with the same KEY is delivered once, however often it is published." placeholder:"KEY"`
	Tag            map[string]string `help:"A label of the message; may be given several times." placeholder:"NAME=VALUE" mapsep:"none"`
	JSON           bool              `name:"json" help:"Print the server's result as JSON."`
}

// Help is shown by belfry publish --help.
func (publishCommand) Help() string {
	return `Examples:
  belfry publish chat "Hello from the shell"
  belfry publish news '{"title":"It works","stars":5}'
  date | belfry publish news -
  belfry publish news -- -1       what begins with a dash

The exit code is 0 when the message is published, 1 when it is not or nobody
knows, 2 when the command makes no sense.`
}

// Validate is called by kong before Run.
func (c *publishCommand) Validate() error {
	if err := c.Server.check(); err != nil {
		return err
	}
	return checkChannels(c.Channel)
}

// Run publishes one message.
func (c *publishCommand) Run(ctx context.Context, t *terminal) error {
	text, err := c.text(t.in)
	if err != nil {
		return err
	}
	data, looksLikeJSON := messageData(text)
	if looksLikeJSON {
		fmt.Fprintln(t.err, "belfry: the data begins like JSON and is not: it is published as text")
	}
	result, err := api{c.address(), configs.Secret(c.Key)}.publish(ctx, publication{
		Channel: c.Channel, Data: data, Tags: c.Tag, IdempotencyKey: c.IdempotencyKey,
	})
	if err != nil {
		return err
	}
	return c.print(t.out, result)
}

// text is the data as it was given. What comes from standard input loses its last
// line break, which echo and editors add.
func (c *publishCommand) text(stdin io.Reader) (string, error) {
	text := c.Data
	if text == "-" {
		all, err := readAtMost(stdin, maxData)
		if err != nil {
			return "", fmt.Errorf("standard input: %w", err)
		}
		text = strings.TrimSuffix(strings.TrimSuffix(string(all), "\n"), "\r")
	}
	if !utf8.ValidString(text) {
		return "", errors.New("the data is not valid UTF-8: JSON or text is expected")
	}
	return text, nil
}

// readAtMost reads to the end, and refuses more than limit bytes rather than publish
// a part of them.
func readAtMost(r io.Reader, limit configs.Size) ([]byte, error) {
	all, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(all) > int(limit) {
		err = fmt.Errorf("has more than %v, and no server accepts more", limit)
	}
	return all, err
}

// messageData is the JSON that a text stands for: itself when it is JSON, or
// else a string. It also reports whether a string looks as if JSON was meant.
func messageData(text string) (data json.RawMessage, looksLikeJSON bool) {
	if json.Valid([]byte(text)) {
		return json.RawMessage(text), false
	}
	data, err := marshal(text)
	if err != nil {
		panic(err) // a string
	}
	return data, strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[")
}

// print says that the message was published, with its offset if the channel has a
// history.
func (c *publishCommand) print(w io.Writer, result json.RawMessage) error {
	if c.JSON {
		_, err := fmt.Fprintf(w, "%s\n", result)
		return err
	}
	var position struct{ Offset uint64 }
	if json.Unmarshal(result, &position) == nil && position.Offset > 0 {
		_, err := fmt.Fprintf(w, "published to %s, offset %d\n", printable(c.Channel), position.Offset)
		return err
	}
	_, err := fmt.Fprintf(w, "published to %s\n", printable(c.Channel))
	return err
}
