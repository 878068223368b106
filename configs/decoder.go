package configs

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// decoder walks the tree of a file along the Config type, collects what is not
// accepted, and notes where each value was set. A value at fault is left as it was.
type decoder struct {
	file     string
	variable string // in place of a file, where the text is one variable's
	from     places
	faults   Faults
}

func (d *decoder) place(line int) string {
	if d.variable != "" {
		return d.variable
	}
	return d.file + ":" + strconv.Itoa(line)
}

func (d *decoder) fault(line int, key, problem string) {
	d.faults = append(d.faults, Fault{d.place(line), key, problem})
}

// syntax notes why the library cannot read the file, in its words but for the lines
// that it would show: these may hold a secret.
func (d *decoder) syntax(path string, err error) {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		d.faults = append(d.faults, Fault{cmp.Or(d.variable, d.file), path, "not YAML"})
		return
	}
	d.fault(at.GetToken().Position.Line, path, "not YAML: "+at.GetMessage())
}

// document decodes the one document of a text. An empty one is without settings.
func (d *decoder) document(tree *ast.File, path string, v reflect.Value) {
	docs := slices.DeleteFunc(tree.Docs, func(doc *ast.DocumentNode) bool { return doc.Body == nil })
	if len(docs) > 1 {
		d.fault(line(docs[1].Body), path, "a second document begins; want one")
		return
	}
	if len(docs) == 1 {
		d.value(path, docs[0].Body, v)
	}
}

// value sets v, which has the key path, from a node.
func (d *decoder) value(path string, n ast.Node, v reflect.Value) {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		d.fault(line(n), path, "has an anchor, an alias or a tag; write the value itself")
	case *ast.CommentGroupNode: // nothing was said
	default:
		d.plain(path, n, v)
	}
}

// switchable is a section in place of which true or false may stand.
type switchable interface{ turn(on bool) }

// switched turns a section on or off, or sets it from a mapping.
func (d *decoder) switched(path string, n ast.Node, v reflect.Value, s switchable) {
	on := false
	switch n.Type() {
	case ast.BoolType:
		if err := setScalar(n, "", false, reflect.ValueOf(&on).Elem()); err == nil {
			d.from.set(path, d.place(line(n)))
			s.turn(on)
		}
	case ast.MappingType, ast.MappingValueType:
		s.turn(true)
		d.section(path, n, v)
	default:
		d.fault(line(n), path, fmt.Sprintf("is %s; want true, false, or a mapping with %s", kind(n), list(fieldNames(v.Type()))))
	}
}

func (d *decoder) plain(path string, n ast.Node, v reflect.Value) {
	s, isSwitchable := v.Addr().Interface().(switchable)
	switch {
	case isSwitchable:
		d.switched(path, n, v, s)
	case isSection(v):
		d.section(path, n, v)
	case v.Kind() == reflect.Slice:
		d.list(path, n, v)
	default:
		d.scalar(path, n, v)
	}
}

// section sets a struct from a mapping. One that has nothing in it, perhaps
// because all its keys are comments, changes nothing.
func (d *decoder) section(path string, n ast.Node, v reflect.Value) {
	if n.Type() == ast.NullType {
		return
	}
	entries, ok := n.(ast.MapNode)
	if !ok {
		d.fault(line(n), path, fmt.Sprintf("is %s; want a mapping with %s", kind(n), list(fieldNames(v.Type()))))
		return
	}
	seen := map[string]bool{}
	for iter := entries.MapRange(); iter.Next(); {
		name, at := iter.Key().GetToken().Value, line(iter.Key())
		inner, known := field(v, name)
		switch {
		case !known:
			d.fault(at, path, fmt.Sprintf("unknown key%s; there are %s", keyName(name), list(fieldNames(v.Type()))))
		case seen[name]:
			d.fault(at, join(path, name), "is set a second time")
		default:
			d.value(join(path, name), iter.Value(), inner)
		}
		seen[name] = true
	}
}

// list sets a slice from a sequence: all of it, or nothing after a fault, so
// that Check does not stumble over the gap.
func (d *decoder) list(path string, n ast.Node, v reflect.Value) {
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fault(line(n), path, fmt.Sprintf("is %s; want a list, [] for an empty one", kind(n)))
		return
	}
	d.from.set(path, d.place(line(n)))
	faults := len(d.faults)
	all := reflect.MakeSlice(v.Type(), len(sequence.Values), len(sequence.Values))
	for i, item := range sequence.Values {
		d.from.set(index(path, i), d.place(line(item)))
		d.value(index(path, i), item, all.Index(i))
	}
	if len(d.faults) == faults {
		v.Set(all)
	}
}

// plainKey is a name that somebody might give to a key, and no secret in the
// wrong place.
var plainKey = regexp.MustCompile(`^[a-zA-Z][a-z_-]{0,23}$`)

// keyName is a key for a sentence, or nothing.
func keyName(name string) string {
	if !plainKey.MatchString(name) {
		return ""
	}
	return " " + name
}

// line is where a node begins; 0 if the library does not know.
func line(n ast.Node) int {
	if entries, ok := n.(*ast.MappingNode); ok && len(entries.Values) > 0 {
		n = entries.Values[0].Key
	}
	if tk := n.GetToken(); tk != nil {
		return tk.Position.Line
	}
	return 0
}
