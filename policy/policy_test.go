package policy_test

import (
	"bytes"
	"encoding/xml"
	"slices"
	"strings"
	"testing"

	"belfry/policy"
)

func TestNewBuildsBothReplies(t *testing.T) {
	p := mustNew(t,
		policy.Grant{Domain: "*.Example.com", Ports: "80, 516-523"},
		policy.Grant{Domain: "10.0.0.1", Ports: "*"},
		policy.Grant{Domain: "10.0.0.1", Ports: "443"},
		policy.Grant{Domain: "*.example.com", Ports: "80,516-523"}, // the first again
	)
	const wantSocket = `<?xml version="1.0"?>
<cross-domain-policy>
  <allow-access-from domain="*.example.com" to-ports="80,516-523"/>
  <allow-access-from domain="10.0.0.1" to-ports="*"/>
  <allow-access-from domain="10.0.0.1" to-ports="443"/>
</cross-domain-policy>
` + "\x00"
	const wantHTTP = `<?xml version="1.0"?>
<cross-domain-policy>
  <allow-access-from domain="*.example.com"/>
  <allow-access-from domain="10.0.0.1"/>
</cross-domain-policy>
`
	if got := string(p.Socket()); got != wantSocket {
		t.Errorf("Socket() = %q, want %q", got, wantSocket)
	}
	if got := string(p.CrossDomain()); got != wantHTTP {
		t.Errorf("CrossDomain() = %q, want %q", got, wantHTTP)
	}
}

func TestNoGrantsIsAPolicy(t *testing.T) {
	p := mustNew(t)
	if got := decode(t, p.Socket()); len(got) != 0 {
		t.Errorf("a policy without grants grants %v", got)
	}
	if got := decode(t, p.CrossDomain()); len(got) != 0 {
		t.Errorf("its HTTP sibling grants %v", got)
	}
}

func TestRepliesAreTheCallers(t *testing.T) {
	p := mustNew(t, policy.Grant{Domain: "example.com", Ports: "80"})
	want := string(p.Socket()) + string(p.CrossDomain())
	clear(p.Socket())
	clear(p.CrossDomain())
	if got := string(p.Socket()) + string(p.CrossDomain()); got != want {
		t.Errorf("after a caller changed its copies the replies are %q, want %q", got, want)
	}
}

func TestDomains(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	host253 := strings.Repeat(label63+".", 3) + strings.Repeat("b", 61)
	for _, c := range []struct{ name, in, want, fault string }{
		{name: "any", in: "*", want: "*"},
		{name: "wildcard", in: "*.example.com", want: "*.example.com"},
		{name: "exact", in: "www.example.com", want: "www.example.com"},
		{name: "one label", in: "localhost", want: "localhost"},
		{name: "upper case", in: "WWW.Example.COM", want: "www.example.com"},
		{name: "digits and hyphens", in: "3-com.example", want: "3-com.example"},
		{name: "underscore", in: "build_1.intranet", want: "build_1.intranet"},
		{name: "international", in: "xn--bcher-kva.example", want: "xn--bcher-kva.example"},
		{name: "IPv4", in: "192.0.2.7", want: "192.0.2.7"},
		{name: "IPv6", in: "2001:DB8::0:1", want: "2001:db8::1"},
		{name: "longest label", in: label63 + ".example", want: label63 + ".example"},
		{name: "longest name", in: host253, want: host253},

		{name: "empty", in: "", fault: "has no host name"},
		{name: "wildcard alone", in: "*.", fault: "has no host name"},
		{name: "wildcard inside", in: "www.*.com", fault: "holds '*'"},
		{name: "wildcard twice", in: "*.*.com", fault: "holds '*'"},
		{name: "wildcard glued", in: "*example.com", fault: "holds '*'"},
		{name: "wildcard address", in: "*.0.2.7", fault: "looks like an IP address"},
		{name: "bad address", in: "192.0.2.256", fault: "looks like an IP address"},
		{name: "zone", in: "fe80::1%eth0", fault: "holds ':'"},
		{name: "brackets", in: "[::1]", fault: "holds '['"},
		{name: "scheme", in: "https://example.com", fault: "holds ':'"},
		{name: "port", in: "example.com:80", fault: "holds ':'"},
		{name: "path", in: "example.com/", fault: "holds '/'"},
		{name: "space", in: "exa mple.com", fault: "holds ' '"},
		{name: "leading space", in: " example.com", fault: "holds ' '"},
		{name: "quote", in: `example.com"`, fault: `holds '"'`},
		{name: "markup", in: "<b>", fault: "holds '<'"},
		{name: "ampersand", in: "a&b.example", fault: "holds '&'"},
		{name: "apostrophe", in: "o'example", fault: `holds '\''`},
		{name: "NUL", in: "example.com\x00", fault: `holds '\x00'`},
		{name: "line end", in: "example.com\n", fault: `holds '\n'`},
		{name: "not UTF-8", in: "example\xff", fault: "holds '\uFFFD'"},
		{name: "not ASCII", in: "bücher.example", fault: "holds 'ü'"},
		{name: "dot at end", in: "example.com.", fault: "empty part"},
		{name: "two dots", in: "example..com", fault: "empty part"},
		{name: "hyphen first", in: "-a.example", fault: "hyphen"},
		{name: "hyphen last", in: "a-.example", fault: "hyphen"},
		{name: "label too long", in: label63 + "a.example", fault: "more than 63 bytes"},
		{name: "name too long", in: host253 + "b", fault: "longer than 253 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := policy.New([]policy.Grant{{Domain: c.in, Ports: "80"}})
			if c.fault != "" {
				wantFault(t, err, "grant 1", c.fault, `accepted: "*", "*.example.com"`)
				return
			}
			if err != nil {
				t.Fatalf("New with domain %q: %v", c.in, err)
			}
			if got := decode(t, p.Socket())[0].Domain; got != c.want {
				t.Errorf("domain %q is sent as %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func TestPorts(t *testing.T) {
	for _, c := range []struct{ name, in, want, fault string }{
		{name: "all", in: "*", want: "*"},
		{name: "one", in: "80", want: "80"},
		{name: "smallest", in: "1", want: "1"},
		{name: "largest", in: "65535", want: "65535"},
		{name: "range", in: "516-523", want: "516-523"},
		{name: "range of one", in: "80-80", want: "80"},
		{name: "list", in: "80,443,516-523", want: "80,443,516-523"},
		{name: "spaces around items", in: " 80 , 443 ", want: "80,443"},
		{name: "leading zero", in: "080", want: "80"},

		{name: "empty", in: "", fault: "a port is missing"},
		{name: "comma at end", in: "80,", fault: "a port is missing"},
		{name: "comma alone", in: ",", fault: "a port is missing"},
		{name: "zero", in: "0", fault: `"0" is not a port`},
		{name: "too large", in: "65536", fault: `"65536" is not a port`},
		{name: "huge", in: strings.Repeat("9", 40), fault: "is not a port"},
		{name: "negative", in: "-1", fault: `"-1" is not a port`},
		{name: "sign", in: "+80", fault: `"+80" is not a port`},
		{name: "name", in: "http", fault: `"http" is not a port`},
		{name: "hexadecimal", in: "0x50", fault: `"0x50" is not a port`},
		{name: "underscore", in: "1_000", fault: `"1_000" is not a port`},
		{name: "open range", in: "80-", fault: `"80-" is not a port`},
		{name: "two hyphens", in: "1-2-3", fault: `"1-2-3" is not a port`},
		{name: "spaces in a range", in: "1 - 2", fault: `"1 - 2" is not a port`},
		{name: "backwards", in: "523-516", fault: "runs backwards"},
		{name: "star in a list", in: "80,*", fault: `"*" is not a port`},
		{name: "quote", in: `80"`, fault: "is not a port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := policy.New([]policy.Grant{{Domain: "example.com", Ports: c.in}})
			if c.fault != "" {
				wantFault(t, err, "grant 1", c.fault, `accepted: "*" alone, or numbers and ranges from 1 to 65535`)
				return
			}
			if err != nil {
				t.Fatalf("New with ports %q: %v", c.in, err)
			}
			if got := decode(t, p.Socket())[0].Ports; got != c.want {
				t.Errorf("ports %q are sent as %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	_, err := policy.New([]policy.Grant{
		{Domain: "http://a", Ports: "x,y"},
		{Domain: "example.com", Ports: "80"},
		{Domain: "b", Ports: "9-8"},
	})
	wantFault(t, err, `grant 1: domain "http://a"`, `"x" is not`, `"y" is not`, "grant 3: ports")
	if strings.Contains(err.Error(), "grant 2") {
		t.Errorf("the good grant is named as well: %v", err)
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != 4 {
		t.Errorf("%d lines for 4 faults:\n%v", got, err)
	}
}

func TestWarnings(t *testing.T) {
	grants := []policy.Grant{
		{Domain: "a.example", Ports: "40132"},
		{Domain: "b.example", Ports: "5000,443"},
		{Domain: "c.example", Ports: "1023-2000"},
		{Domain: "d.example", Ports: "1024-2000"},
		{Domain: "*", Ports: "*"},
	}
	for _, c := range []struct {
		name string
		port int
		want []string // what each warning names
	}{
		{"the usual port", 843, nil},
		{"last below", 1023, nil},
		{"first above", 1024, []string{`"b.example"`, `"c.example"`, `"*"`}},
		{"high", 8430, []string{`"b.example"`, `"c.example"`, `"*"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := mustNew(t, grants...).Warnings(c.port)
			named := slices.EqualFunc(got, c.want, strings.Contains)
			if !named {
				t.Errorf("Warnings(%d) = %q, want one each for %q", c.port, got, c.want)
			}
		})
	}
}

func FuzzNew(f *testing.F) {
	f.Add("*", "*", "10.0.0.1", "80,516-523")
	f.Add("*.example.com", "80", "a&b<c>\"'", "1-")
	f.Add("::ffff:192.0.2.1", " 80 ", "xn--a", "0")
	f.Fuzz(func(t *testing.T, domain1, ports1, domain2, ports2 string) {
		p, err := policy.New([]policy.Grant{{Domain: domain1, Ports: ports1}, {Domain: domain2, Ports: ports2}})
		if err != nil {
			if p != nil {
				t.Fatalf("New returned a policy and the error %v", err)
			}
			return
		}
		granted := decode(t, p.Socket())
		if len(granted) == 0 || granted[0].Domain == "" || granted[0].Ports == "" {
			t.Fatalf("granted %v", granted)
		}
		for i, access := range decode(t, p.CrossDomain()) {
			if access.Ports != "" {
				t.Fatalf("HTTP grant %d has ports %q", i, access.Ports)
			}
		}
		// What is sent is in its final form: a second pass changes nothing.
		again := mustNew(t, granted...)
		if !bytes.Equal(again.Socket(), p.Socket()) {
			t.Fatalf("first %q, again %q", p.Socket(), again.Socket())
		}
	})
}

func mustNew(t *testing.T, grants ...policy.Grant) *policy.Policy {
	t.Helper()
	p, err := policy.New(grants)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantFault(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not contain %q", err, part)
		}
	}
}

// decode reads a policy file as an XML parser does. A NUL is allowed at the very
// end and nowhere else.
func decode(t *testing.T, document []byte) []policy.Grant {
	t.Helper()
	document = bytes.TrimSuffix(document, []byte{0})
	if bytes.IndexByte(document, 0) >= 0 {
		t.Fatalf("NUL inside the document %q", document)
	}
	var parsed struct {
		XMLName xml.Name `xml:"cross-domain-policy"`
		Access  []struct {
			Domain string `xml:"domain,attr"`
			Ports  string `xml:"to-ports,attr"`
		} `xml:"allow-access-from"`
	}
	if err := xml.Unmarshal(document, &parsed); err != nil {
		t.Fatalf("%v in %q", err, document)
	}
	var grants []policy.Grant
	for _, access := range parsed.Access {
		grants = append(grants, policy.Grant{Domain: access.Domain, Ports: access.Ports})
	}
	return grants
}
