package policy

import (
	"bytes"
	"encoding/xml"
	"testing"
	"unicode/utf8"
)

// New lets no such character through, so the escaping is tested beneath it.
func TestAttributesAreEscaped(t *testing.T) {
	for _, c := range []struct{ name, in string }{
		{"ampersand", "a&b"},
		{"less", "a<b"},
		{"greater", "a>b"},
		{"double quote", `a"b`},
		{"single quote", "a'b"},
		{"an element", `x"/><allow-access-from domain="*" to-ports="*"/><a b="`},
		{"an entity", "&quot;&#0;"},
	} {
		t.Run(c.name, func(t *testing.T) {
			grants := []grant{{domain: c.in, ports: c.in}}
			for _, document := range [][]byte{renderSocket(grants), renderHTTP(grants)} {
				wantAttributes(t, document, c.in)
			}
			raw := bytes.Count(renderSocket(grants), []byte(`"`))
			if raw != 6 { // two of the declaration, two around each attribute
				t.Errorf("%d double quotes in %q, want 6", raw, renderSocket(grants))
			}
		})
	}
}

func FuzzRender(f *testing.F) {
	f.Add(`a&b<c>d"e'f`)
	f.Add("]]>\n\t\r")
	f.Fuzz(func(t *testing.T, s string) {
		if !isXMLText(s) {
			return // XML has no way to carry it
		}
		wantAttributes(t, renderSocket([]grant{{domain: s, ports: s}}), s)
	})
}

// isXMLText follows the Char production of XML 1.0, section 2.2.
func isXMLText(s string) bool {
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return false
		}
	}
	return utf8.ValidString(s)
}

// wantAttributes parses document and fails unless it holds one grant and all of
// its attributes say want.
func wantAttributes(t *testing.T, document []byte, want string) {
	t.Helper()
	var parsed struct {
		XMLName xml.Name `xml:"cross-domain-policy"`
		Access  []struct {
			Attrs []xml.Attr `xml:",any,attr"`
		} `xml:"allow-access-from"`
	}
	if err := xml.Unmarshal(document, &parsed); err != nil {
		t.Fatalf("%v in %q", err, document)
	}
	if len(parsed.Access) != 1 || len(parsed.Access[0].Attrs) == 0 {
		t.Fatalf("grants %+v in %q, want one", parsed.Access, document)
	}
	for _, attr := range parsed.Access[0].Attrs {
		if attr.Value != want {
			t.Errorf("%s = %q, want %q", attr.Name.Local, attr.Value, want)
		}
	}
}
