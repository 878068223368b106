package web_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"belfry/hub"
	"belfry/web"
	"belfry/web/access"
)

// openAPI is the document as a server hands it out, with schemas that can
// validate (those of OpenAPI 3.1 are JSON Schema 2020-12).
type openAPI struct {
	t        testing.TB
	doc      map[string]any
	compiler *jsonschema.Compiler
}

func (s *testServer) readOpenAPI(t testing.TB) *openAPI {
	t.Helper()
	response, err := http.Get(s.URL + "/api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	if got := response.Header.Get("Content-Type"); response.StatusCode != 200 || got != "application/yaml" {
		t.Fatalf("openapi.yaml: %d %s", response.StatusCode, got)
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	o := &openAPI{t, doc.(map[string]any), jsonschema.NewCompiler()}
	o.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := o.compiler.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return o
}

// at follows a path of names, and the references on it. It returns the place
// where it ended too, and nil when there is nothing.
func (o *openAPI) at(names ...string) (any, string) {
	var v any = o.doc
	place := "#"
	for len(names) > 0 {
		m, _ := v.(map[string]any)
		if ref, ok := m["$ref"].(string); ok && strings.HasPrefix(ref, "#/components/responses/") {
			names = append(strings.Split(strings.TrimPrefix(ref, "#/"), "/"), names...)
			v, place = any(o.doc), "#"
			continue
		}
		v = m[names[0]]
		place += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(names[0])
		names = names[1:]
	}
	return v, place
}

// validate checks JSON against the schema at a place of the document.
func (o *openAPI) validate(text string, names ...string) error {
	v, place := o.at(names...)
	if v == nil {
		return fmt.Errorf("the document has nothing at %s", place)
	}
	schema, err := o.compiler.Compile("openapi.json" + place)
	if err != nil {
		return err
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(instance)
}

func (o *openAPI) request(method, body string) error {
	return o.validate(body, "paths", "/api/"+method, "post", "requestBody", "content", "application/json", "schema")
}

func (o *openAPI) response(method string, status int, body string) error {
	return o.validate(body, "paths", "/api/"+method, "post", "responses", fmt.Sprint(status), "content", "application/json", "schema")
}

// documented is one real call. What is wrong with a request is something that its
// schema says too, unless it is hidden from it.
type documented struct {
	name, method, body string
	status             int
	hidden             bool
}

// Requests in which CLIENT stands for a client that is on the channel chat, and
// EPOCH for the epoch of that channel.
var documentedCalls = []documented{
	{"publish", "publish", `{"channel":"off","data":{"v":1}}`, 200, false},
	{"with everything", "publish", `{"channel":"chat","b64data":"MQ==","skip_history":false,"tags":{"k":"v"},"idempotency_key":"i","exclude":"CLIENT"}`, 200, false},
	{"no data", "publish", `{"channel":"off"}`, 400, false},
	{"two kinds of data", "publish", `{"channel":"off","data":1,"b64data":"MQ=="}`, 400, false},
	{"not base64", "publish", `{"channel":"off","b64data":"?"}`, 400, false},
	{"no channel", "publish", `{"data":1}`, 400, false},
	{"no object", "publish", `[]`, 400, false},
	{"long channel", "publish", `{"channel":"` + strings.Repeat("c", 256) + `","data":1}`, 400, false},
	{"control character", "publish", `{"channel":"\u0007","data":1}`, 400, true},
	{"unknown field", "publish", `{"channel":"off","data":1,"version":1}`, 400, false},
	{"delta", "publish", `{"channel":"off","data":1,"delta":true}`, 400, false},
	{"long key", "publish", `{"channel":"off","data":1,"idempotency_key":"` + strings.Repeat("k", 256) + `"}`, 400, false},
	{"long tag", "publish", `{"channel":"off","data":1,"tags":{"k":"` + strings.Repeat("k", 256) + `"}}`, 400, false},
	{"long name of a tag", "publish", `{"channel":"off","data":1,"tags":{"` + strings.Repeat("k", 256) + `":""}}`, 400, false},
	{"long exclude", "publish", `{"channel":"off","data":1,"exclude":"` + strings.Repeat("k", 256) + `"}`, 400, false},
	{"without a user", "publish", `{"channel":"off","data":1,"exclude_user":"u"}`, 200, false},
	{"long user", "publish", `{"channel":"off","data":1,"exclude_user":"` + strings.Repeat("k", 256) + `"}`, 400, false},
	{"server may not", "publish", `{"channel":"shut","data":1}`, 403, true},
	{"unknown channel", "publish", `{"channel":"other","data":1}`, 404, true},
	{"too large", "publish", `{"channel":"off","data":"` + strings.Repeat("x", 5000) + `"}`, 413, true},

	{"broadcast", "broadcast", `{"channels":["off","chat","other","shut",""],"data":1}`, 200, false},
	{"no channels", "broadcast", `{"channels":[],"data":1}`, 400, false},
	{"channels missing", "broadcast", `{"data":1}`, 400, false},
	{"no data", "broadcast", `{"channels":["off"]}`, 400, false},

	{"batch", "batch", `{"parallel":true,"commands":[` + strings.Join([]string{
		`{"publish":{"channel":"chat","data":1}}`, `{"broadcast":{"channels":["off"],"data":1}}`, `{"subscribe":{"channel":"off","client":"CLIENT"}}`,
		`{"unsubscribe":{"channel":"off","client":"x"}}`, `{"disconnect":{"client":"x"}}`, `{"presence":{"channel":"chat"}}`, `{"presence_stats":{"channel":"chat"}}`,
		`{"history":{"channel":"chat","limit":-1}}`, `{"history_remove":{"channel":"news"}}`, `{"channels":{}}`, `{"info":{}}`, `{"rpc":{"method":"m"}}`,
		`{"refresh":{}}`, `{"dance":{}}`, `{}`, `{"publish":{}}`}, ",") + `]}`, 200, false},
	{"no commands", "batch", `{"commands":[]}`, 400, false},
	{"a number for a command", "batch", `{"commands":[7]}`, 400, false},

	{"subscribe", "subscribe", `{"channel":"off2","client":"CLIENT","info":{"a":1},"data":[1],"recover_since":{"offset":1,"epoch":"e"}}`, 200, false},
	{"of nobody", "subscribe", `{"channel":"off","client":"nobody","user":"","session":""}`, 200, false},
	{"of a user", "subscribe", `{"channel":"off","client":"CLIENT","user":"u"}`, 200, false},
	{"of a session", "subscribe", `{"channel":"off","session":"s"}`, 200, false},
	{"long user", "subscribe", `{"channel":"off","user":"` + strings.Repeat("c", 256) + `"}`, 400, false},
	{"long session", "subscribe", `{"channel":"off","session":"` + strings.Repeat("c", 256) + `"}`, 400, false},
	{"nobody named", "subscribe", `{"channel":"off"}`, 400, false},
	{"an empty name", "subscribe", `{"channel":"off","client":""}`, 400, false},
	{"no channel", "subscribe", `{"client":"c","channel":""}`, 400, false},
	{"long client", "subscribe", `{"channel":"off","client":"` + strings.Repeat("c", 256) + `"}`, 400, false},
	{"info twice", "subscribe", `{"channel":"off","client":"c","info":1,"b64info":"MQ=="}`, 400, false},
	{"data twice", "subscribe", `{"channel":"off","client":"c","data":1,"b64data":"MQ=="}`, 400, false},
	{"info that is no base64", "subscribe", `{"channel":"off","client":"c","b64info":"?"}`, 400, false},
	{"info that is no JSON", "subscribe", `{"channel":"off","client":"c","b64info":"eA=="}`, 400, true},
	{"long info", "subscribe", `{"channel":"off","client":"c","info":"` + strings.Repeat("x", 1023) + `"}`, 400, true},
	{"negative offset", "subscribe", `{"channel":"off","client":"c","recover_since":{"offset":-1}}`, 400, false},
	{"expire_at", "subscribe", `{"channel":"off","client":"c","expire_at":1}`, 400, false},
	{"override", "subscribe", `{"channel":"off","client":"c","override":{}}`, 400, false},
	{"unknown channel", "subscribe", `{"channel":"other","client":"c"}`, 404, true},

	{"unsubscribe", "unsubscribe", `{"channel":"off2","client":"CLIENT"}`, 200, false},
	{"nobody named", "unsubscribe", `{"channel":"off"}`, 400, false},
	{"of a user", "unsubscribe", `{"channel":"off","client":"CLIENT","user":"u"}`, 200, false},
	{"no channel", "unsubscribe", `{"client":"c"}`, 400, false},
	{"unknown channel", "unsubscribe", `{"channel":"other","client":"c"}`, 404, true},

	{"disconnect", "disconnect", `{"client":"CLIENT","whitelist":["CLIENT"],"disconnect":{"code":3000,"reason":"r"}}`, 200, false},
	{"nobody named", "disconnect", `{}`, 400, false},
	{"a user", "disconnect", `{"user":"u"}`, 200, false},
	{"low code", "disconnect", `{"client":"c","disconnect":{"code":2999}}`, 400, false},
	{"high code", "disconnect", `{"client":"c","disconnect":{"code":5000}}`, 400, false},
	{"no code", "disconnect", `{"client":"c","disconnect":{"reason":"r"}}`, 400, false},
	{"long reason", "disconnect", `{"client":"c","disconnect":{"code":4000,"reason":"` + strings.Repeat("r", 124) + `"}}`, 400, false},
	{"reconnect", "disconnect", `{"client":"c","disconnect":{"code":4000,"reconnect":true}}`, 400, false},
	{"long whitelist", "disconnect", `{"client":"c","whitelist":["` + strings.Repeat(`","`, 1000) + `"]}`, 400, false},
	{"long name in the whitelist", "disconnect", `{"client":"c","whitelist":["` + strings.Repeat("c", 256) + `"]}`, 400, false},

	{"refresh", "refresh", `{"user":"u","expire_at":4000000000}`, 200, false},
	{"expired", "refresh", `{"session":"s","expired":true,"expire_at":0}`, 200, false},
	{"nobody named", "refresh", `{"expired":true}`, 400, false},
	{"what is over", "refresh", `{"user":"u","expire_at":1}`, 400, true},
	{"milliseconds", "refresh", `{"user":"u","expire_at":4000000000000}`, 400, false},
	{"info", "refresh", `{"user":"u","info":{}}`, 400, false},

	{"block", "block_user", `{"user":"u","expire_at":4000000000}`, 200, false},
	{"nobody named", "block_user", `{}`, 400, false},
	{"a long user", "block_user", `{"user":"` + strings.Repeat("u", 256) + `"}`, 400, false},
	{"what is over", "block_user", `{"user":"u","expire_at":1}`, 400, true},
	{"milliseconds", "block_user", `{"user":"u","expire_at":4000000000000}`, 400, false},
	{"unblock", "unblock_user", `{"user":"u"}`, 200, false},
	{"nobody named", "unblock_user", `{"user":""}`, 400, false},
	{"with a time", "unblock_user", `{"user":"u","expire_at":4000000000}`, 400, false},
	{"revoke", "revoke_token", `{"uid":"t"}`, 200, false},
	{"no token", "revoke_token", `{"expire_at":0}`, 400, false},
	{"of a user", "revoke_token", `{"uid":"t","user":"u"}`, 400, false},
	{"invalidate", "invalidate_user_tokens", `{"user":"u","issued_before":1,"expire_at":4000000000}`, 200, false},
	{"before 1970", "invalidate_user_tokens", `{"user":"u","issued_before":-1}`, 400, false},
	{"nobody named", "invalidate_user_tokens", `{"issued_before":1}`, 400, false},

	{"presence", "presence", `{"channel":"chat"}`, 200, false},
	{"of nobody", "presence", `{"channel":"room"}`, 200, false},
	{"not by the rule", "presence", `{"channel":"off"}`, 400, true},
	{"no channel", "presence", `{}`, 400, false},
	{"unknown channel", "presence", `{"channel":"other"}`, 404, true},

	{"presence stats", "presence_stats", `{"channel":"chat"}`, 200, false},
	{"not by the rule", "presence_stats", `{"channel":"off"}`, 400, true},
	{"unknown field", "presence_stats", `{"channel":"chat","all":1}`, 400, false},
	{"unknown channel", "presence_stats", `{"channel":"other"}`, 404, true},

	{"history", "history", `{"channel":"chat","limit":-1,"since":{"offset":0,"epoch":"EPOCH"},"reverse":false}`, 200, false},
	{"position", "history", `{"channel":"chat"}`, 200, false},
	{"low limit", "history", `{"channel":"chat","limit":-2}`, 400, false},
	{"high limit", "history", `{"channel":"chat","limit":1001}`, 400, false},
	{"half a limit", "history", `{"channel":"chat","limit":0.5}`, 400, false},
	{"not by the rule", "history", `{"channel":"off"}`, 400, true},
	{"unknown channel", "history", `{"channel":"other"}`, 404, true},
	{"another epoch", "history", `{"channel":"chat","since":{"offset":1,"epoch":"e"}}`, 416, true},

	{"history_remove", "history_remove", `{"channel":"chat"}`, 200, false},
	{"not by the rule", "history_remove", `{"channel":"off"}`, 400, true},
	{"no text", "history_remove", `{"channel":7}`, 400, false},
	{"unknown channel", "history_remove", `{"channel":"other"}`, 404, true},

	{"channels", "channels", `{}`, 200, false},
	{"with a pattern", "channels", `{"pattern":"ch*"}`, 200, false},
	{"long pattern", "channels", `{"pattern":"` + strings.Repeat("*", 256) + `"}`, 400, false},

	{"info", "info", `{}`, 200, false},
	{"unknown field", "info", `{"all":true}`, 400, false},

	{"rpc", "rpc", `{"method":"m","params":{"a":1}}`, 200, false},
	{"without a result", "rpc", `{"method":"nothing"}`, 200, false},
	{"no method", "rpc", `{}`, 400, false},
	{"long method", "rpc", `{"method":"` + strings.Repeat("m", 256) + `"}`, 400, false},
	{"refused", "rpc", `{"method":"refuse"}`, 400, true},
	{"broken", "rpc", `{"method":"break"}`, 500, true},
}

// TestOpenAPI makes every call of the table and holds what is said and answered
// against the document.
func TestOpenAPI(t *testing.T) {
	s := newTestServer(t, func(o *web.Options) {
		o.Hub = hub.New(hub.Options{Rules: presenceRules()})
		withUsers(o)
		o.RPC = answerRPC
		o.Limits.Body = 5000
	})
	o := s.readOpenAPI(t)
	c, id := s.identified(t)
	c.say(enter(2, "chat", `"data":{"name":"Ada"}`))
	c.hear()
	c.say(`{"id":3,"publish":{"channel":"chat","data":1}}`)
	c.hear()
	fill := strings.NewReplacer("CLIENT", id, "EPOCH", s.epoch(t, "chat"))
	for _, tc := range documentedCalls {
		t.Run(tc.method+", "+tc.name, func(t *testing.T) {
			body := fill.Replace(tc.body)
			valid := o.request(tc.method, body)
			if good := tc.status == 200 || tc.hidden; (valid == nil) != good {
				t.Errorf("request %.200s\nby its schema: %v, want it accepted: %t", body, valid, good)
			}
			status, answer := s.call(t, "/api/"+tc.method, body, "X-API-Key", testKey)
			if status != tc.status {
				t.Errorf("request %.200s\nstatus %d %v, want %d", body, status, answer, tc.status)
			}
			if err := o.response(tc.method, status, encode(t, answer)); err != nil {
				t.Errorf("answer %d %v\nby its schema: %v", status, answer, err)
			}
		})
	}
}

// goneBroker neither publishes nor signals.
type goneBroker struct{ awayBroker }

func (goneBroker) Signal(ctx context.Context, node string, data []byte) (int, error) {
	return cutBroker{}.Signal(ctx, node, data)
}

// TestOpenAPIErrors holds errors that any call may have against the document.
func TestOpenAPIErrors(t *testing.T) {
	o := newTestServer(t, nil).readOpenAPI(t)
	away := newTestServerOn(t, goneBroker{awayBroker{hub.NewMemoryBroker()}})
	for method := range o.methods() {
		status, answer := away.call(t, "/api/"+method, `{}`)
		if err := o.response(method, status, encode(t, answer)); err != nil || status != 401 {
			t.Errorf("%s without a key: %d %v\nby its schema: %v", method, status, answer, err)
		}
	}
	limited := newTestServer(t, func(o *web.Options) {
		key := access.WholeKey("none", "none")
		key.Calls = []string{}
		o.APIKeys = []access.APIKey{key}
	})
	for method := range o.methods() {
		status, answer := limited.call(t, "/api/"+method, `{}`, "X-API-Key", "none")
		if err := o.response(method, status, encode(t, answer)); method != "batch" && (err != nil || status != 403) {
			t.Errorf("%s with a key without rights: %d %v\nby its schema: %v", method, status, answer, err)
		}
	}
	for range 6 {
		away.call(t, "/api/info", `{}`, "X-API-Key", "wrong")
	}
	for method := range o.methods() {
		status, answer := away.call(t, "/api/"+method, `{}`, "X-API-Key", "wrong")
		if err := o.response(method, status, encode(t, answer)); err != nil || status != 429 {
			t.Errorf("%s after many wrong keys: %d %v\nby its schema: %v", method, status, answer, err)
		}
	}
	for method, body := range map[string]string{
		"publish": `{"channel":"off","data":1}`, "broadcast": `{"channels":["off"],"data":1}`, "info": `{}`, "channels": `{}`,
		"batch": `{"commands":[{"publish":{"channel":"off","data":1}}]}`, "disconnect": `{"client":"c"}`,
	} {
		status, answer := away.call(t, "/api/"+method, body, "X-API-Key", testKey)
		if err := o.response(method, status, encode(t, answer)); err != nil || status != 503 {
			t.Errorf("%s without a broker: %d %v\nby its schema: %v", method, status, answer, err)
		}
	}
}

// methods returns the operations of calls, by the end of their path.
func (o *openAPI) methods() map[string]map[string]any {
	all := make(map[string]map[string]any)
	paths, _ := o.at("paths")
	for path, item := range paths.(map[string]any) {
		if post, ok := item.(map[string]any)["post"].(map[string]any); ok {
			all[strings.TrimPrefix(path, "/api/")] = post
		}
	}
	return all
}

// TestOpenAPIIsWhole checks what schemas do not: every reference leads somewhere,
// every operation has an ID, every call a good answer and a test.
func TestOpenAPIIsWhole(t *testing.T) {
	o := newTestServer(t, nil).readOpenAPI(t)
	if version, _ := o.at("openapi"); version != "3.1.0" {
		t.Errorf("openapi: %v", version)
	}
	checkReferences(t, o, o.doc)
	for method, operation := range o.methods() {
		if operation["operationId"] != method {
			t.Errorf("%s: operationId %v", method, operation["operationId"])
		}
		responses := operation["responses"].(map[string]any)
		for status := range responses {
			tested := slices.ContainsFunc(documentedCalls, func(c documented) bool { return c.method == method && fmt.Sprint(c.status) == status })
			if !tested && !slices.Contains([]string{"401", "403", "413", "429", "500", "503"}, status) {
				t.Errorf("%s: no call of the table is answered with the documented %s", method, status)
			}
		}
	}
	schemes, _ := o.at("components", "securitySchemes")
	security, _ := o.at("security")
	for _, s := range security.([]any) {
		for name := range s.(map[string]any) {
			if schemes.(map[string]any)[name] == nil {
				t.Errorf("security scheme %q is not there", name)
			}
		}
	}
}

// checkReferences follows every reference. Beside one nothing may stand but a
// description: generators of clients leave it out.
func checkReferences(t *testing.T, o *openAPI, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			checkReferences(t, o, item)
		}
	case map[string]any:
		if alone := maps.Clone(v); v["$ref"] != nil {
			delete(alone, "description")
			if len(alone) > 1 {
				t.Errorf("%v: beside a reference nothing is read", v)
			}
		}
		for name, item := range v {
			ref, _ := item.(string)
			if target, _ := o.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...); name == "$ref" && target == nil {
				t.Errorf("%s leads nowhere", ref)
			}
			checkReferences(t, o, item)
		}
	}
}
