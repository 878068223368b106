package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// YAML returns c as YAML, with secrets hidden. [encoding/json] does the same
// for JSON.
func (c Config) YAML() ([]byte, error) {
	return yaml.MarshalWithOptions(c, yaml.IndentSequence(true))
}

// loadYAML sets what a YAML file says. The library parses; the tree is walked
// here, because its decoder stops at the first fault and shows lines around
// it, which may hold a secret.
func loadYAML(c *Config, file string, text []byte) Faults {
	d := decoder{file: file, from: c.from}
	d.text(string(text), "", reflect.ValueOf(c).Elem())
	return d.faults
}

// loadVariable sets what the YAML of a variable says.
func loadVariable(c *Config, s setting, text string) Faults {
	d := decoder{variable: s.env, from: c.from}
	if strings.TrimSpace(text) == "" {
		text = "[]"
	}
	d.text(text, s.key, s.value)
	return d.faults
}

// text sets v, which has the key path, from YAML.
func (d *decoder) text(text, path string, v reflect.Value) {
	tokens := lexer.Tokenize(text)
	if line := tooDeep(tokens); line > 0 {
		d.fault(line, path, fmt.Sprintf("is nested deeper than %d levels or has a line over %v", maxNesting, Size(maxColumn)))
		return
	}
	if quoted := d.quoteStars(text, path, tokens); quoted != text {
		tokens = lexer.Tokenize(quoted)
	}
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(path, err)
		return
	}
	d.document(tree, path, v)
}

// quoteStars puts values that begin with a star into quotes, and notes that they need
// some: in YAML they are aliases, which are of no use here, and which end the parsing
// of the rest when they are meant as patterns.
func (d *decoder) quoteStars(text, path string, tokens token.Tokens) string {
	lines := strings.SplitAfter(text, "\n")
	before := len(d.faults)
	for _, tk := range slices.Backward(tokens) { // so that columns stay what they are
		at := tk.Position
		if tk.Type != token.AliasType || at.Line > len(lines) {
			continue
		}
		line, begin := []rune(lines[at.Line-1]), at.Column-1
		if begin >= len(line) || line[begin] != '*' {
			continue
		}
		end := begin
		for end < len(line) && !strings.ContainsRune(" \t\r\n,[]{}\"", line[end]) {
			end++
		}
		lines[at.Line-1] = string(line[:begin]) + `"` + string(line[begin:end]) + `"` + string(line[end:])
		d.fault(at.Line, path, `a value that begins with * needs quotes, as in match: "*"`)
	}
	slices.Reverse(d.faults[before:])
	return strings.Join(lines, "")
}

// The parser's time and stack grow with the square of the nesting.
const (
	maxNesting = 32       // of [ and {
	maxColumn  = 16 << 10 // bytes in a line
)

// tooDeep returns the line on which the nesting passes its bound, or 0.
func tooDeep(tokens token.Tokens) int {
	depth := 0
	for _, tk := range tokens {
		switch tk.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		}
		if depth > maxNesting || tk.Position.Column > maxColumn {
			return tk.Position.Line
		}
	}
	return 0
}
