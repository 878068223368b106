package fault

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
)

// Decode reads JSON strictly: one JSON object with known fields only.
func Decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return DecodeError(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Field("body", "one JSON object is expected, and nothing behind it")
	}
	return nil
}

// DecodeError says in which field of a body the fault is.
func DecodeError(err error) error {
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType):
		return Field(cmp.Or(wrongType.Field, "body"), expected(wrongType.Type)+" is expected")
	case errors.Is(err, io.EOF):
		return Field("body", "a JSON object is expected, and there is nothing")
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		return Field(strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`), "is not a field of this call")
	}
	return Field("body", "a JSON object is expected: "+strings.TrimPrefix(err.Error(), "json: "))
}

// expected names in JSON's words what can be read into a Go type.
func expected(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array"
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		return "a whole number, not below 0,"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	}
	return "a JSON object"
}
