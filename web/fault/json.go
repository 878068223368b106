package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

var errNotJSON = errors.New("not valid JSON")

// Compact returns a JSON value without white space between its parts. JSON in
// invalid UTF-8 is refused: a WebSocket text frame could not carry it.
func Compact(data []byte) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(data))
	if !utf8.Valid(data) || json.Compact(&b, data) != nil {
		return nil, errNotJSON
	}
	return b.Bytes(), nil
}

// AppendString appends a JSON string.
func AppendString(dst []byte, s string) []byte {
	return AppendJSON(dst, s)
}

// AppendJSON appends a value without escaping HTML characters, which matter to
// no client and cost bytes. The value must be one that JSON can express.
func AppendJSON(dst []byte, v any) []byte {
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // a type of ours that JSON cannot express
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
