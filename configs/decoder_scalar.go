package configs

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// scalar sets a text, a number or whatever reads itself from text.
func (d *decoder) scalar(path string, n ast.Node, v reflect.Value) {
	text, quoted, ok := scalarText(n)
	if !ok {
		d.fault(line(n), path, fmt.Sprintf("is %s; want %s", kind(n), wanted(v)))
		return
	}
	if err := setScalar(n, text, quoted, v); err != nil {
		d.fault(line(n), path, show(v, text)+err.Error())
		return
	}
	d.from.set(path, d.place(line(n)))
}

// setScalar sets v from the text of n. The caller shows the text beside the error, if
// it may be shown.
func setScalar(n ast.Node, text string, quoted bool, v reflect.Value) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	if v.Kind() == reflect.String && !quoted {
		return fmt.Errorf("is %s; want text, in quotes", kind(n))
	}
	if v.Kind() == reflect.String {
		v.SetString(text)
		return nil
	}
	// The library would cut a fraction off and read quoted numbers.
	want := ast.IntegerType
	if v.Kind() == reflect.Bool {
		want = ast.BoolType
	}
	if n.Type() != want || yaml.NodeToValue(n, v.Addr().Interface(), yaml.Strict()) != nil {
		return errors.New("want " + wanted(v))
	}
	return nil
}

// scalarText returns the text of a scalar as it was written, without quotes,
// and whether it is text and not a number or another type.
func scalarText(n ast.Node) (text string, quoted, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true, true
	case *ast.LiteralNode:
		return n.Value.Value, true, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, false, true
	}
	return "", false, false
}

// wanted is what v accepts, for a sentence.
func wanted(v reflect.Value) string {
	switch {
	case v.Type() == reflect.TypeFor[Size]():
		return "a size such as 64KiB"
	case v.Kind() == reflect.Bool:
		return "true or false"
	case v.Kind() == reflect.Int:
		return "a whole number"
	case v.Kind() == reflect.String:
		return `text, "" for none`
	}
	return "a value"
}

// kind names what a node is, for people.
func kind(n ast.Node) string {
	switch n.Type() {
	case ast.NullType:
		return "empty"
	case ast.MappingType, ast.MappingValueType:
		return "a mapping"
	case ast.SequenceType:
		return "a list"
	case ast.StringType, ast.LiteralType:
		return "text"
	case ast.BoolType:
		return "true or false"
	case ast.IntegerType, ast.FloatType, ast.InfinityType, ast.NanType:
		return "a number"
	}
	return "something else"
}

// show begins a sentence about a value that is not accepted, unless it is one
// that may be secret.
func show(v reflect.Value, text string) string {
	switch v.Interface().(type) {
	case Secret, URL:
		return ""
	}
	if len(text) > 60 {
		text = text[:60] + "…"
	}
	return fmt.Sprintf("%q: ", text)
}
