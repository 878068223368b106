package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"belfry/configs"
)

const (
	// answerWait is how long a server may take to answer.
	answerWait = 5 * time.Second
	// maxAnswer is the most bytes of an answer that are read.
	maxAnswer = 1 << 20
)

// api calls the HTTP API of a running server. It may be copied.
type api struct {
	server serverURL
	key    configs.Secret // empty: none is known
}

// publication is the body of a publish.
type publication struct {
	Channel        string            `json:"channel"`
	Data           json.RawMessage   `json:"data"`
	Tags           map[string]string `json:"tags,omitempty"`
	IdempotencyKey string            `json:"idempotency_key,omitempty"`
}

// publish returns the server's result as JSON. Its errors say whether anything
// was published: nothing was, if no connection could be made; it is not known, if the
// answer did not come within answerWait.
func (a api) publish(ctx context.Context, p publication) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	status, body, err := a.post(ctx, "/api/publish", p)
	var unreachable *unreachableError
	switch {
	case errors.As(err, &unreachable):
		return nil, err
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("%s: no answer within %v; %s", a.server, answerWait, unknownFate)
	case err != nil:
		return nil, fmt.Errorf("%s: %w; %s", a.server, err, unknownFate)
	}
	return a.result(status, body)
}

// unknownFate is what is known of a message whose publish got no answer.
const unknownFate = "whether the message was published is not known: with --idempotency-key it can be repeated and is delivered once"

// post calls a method. Any status is an answer; an error is that there was none.
func (a api) post(ctx context.Context, path string, v any) (status int, body []byte, err error) {
	text, err := marshal(v)
	if err != nil {
		return 0, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.server.http(path), bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-API-Key", a.key.Reveal())
	// The key is for this server only, so that no redirect is followed.
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		return 0, nil, reachError(a.server, err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, body, err
}

// result takes the result out of an answer. An error may come with any status:
// Centrifugo's own is 200.
func (a api) result(status int, body []byte) (json.RawMessage, error) {
	var answer struct {
		Result json.RawMessage `json:"result"`
	}
	refused := newAnswerError(a.server, status, body)
	switch {
	case status == http.StatusUnauthorized && a.key == "":
		return nil, fmt.Errorf("%s wants an API key: give it with BELFRY_API_KEY or --key; a server that has none configured makes one and shows it when it starts", a.server)
	case status == http.StatusUnauthorized:
		return nil, fmt.Errorf("%s does not accept this API key: give the server's own with BELFRY_API_KEY or --key", a.server)
	case status == http.StatusServiceUnavailable && refused.message != "" && !saysOutcome(refused.message):
		return nil, fmt.Errorf("%w; nothing was published, try again", refused)
	case status != http.StatusOK || refused.message != "":
		return nil, refused
	case json.Unmarshal(body, &answer) != nil || answer.Result == nil:
		return nil, newAnswerError(a.server, status, nil)
	}
	return answer.Result, nil
}

// saysOutcome reports whether a refusal says what became of the message. If a 503 does
// not, the server has not taken the message, for instance because it is stopping.
func saysOutcome(refusal string) bool {
	return strings.Contains(refusal, "was done") || strings.Contains(refusal, "was published")
}

// marshal writes JSON as it was said, without escapes for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
