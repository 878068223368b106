package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

var errNotJSON = errors.New("not valid JSON")

// compact returns a JSON value without white space between its parts. JSON in
// invalid UTF-8 is refused: a WebSocket text frame could not carry it.
func compact(data []byte) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(data))
	if !utf8.Valid(data) || json.Compact(&b, data) != nil {
		return nil, errNotJSON
	}
	return b.Bytes(), nil
}

// appendString appends a JSON string.
func appendString(dst []byte, s string) []byte {
	return appendJSON(dst, s)
}

// appendJSON appends a value without escaping HTML characters, which matter to
// no client and cost bytes. The value must be one that JSON can express.
func appendJSON(dst []byte, v any) []byte {
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // a type of ours that JSON cannot express
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
