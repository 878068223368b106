package configs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretsHide(t *testing.T) {
	c := Default()
	c.API.Key, c.Redis.URL = "k3yk3y", "redis://user:p4ssp4ss@host:1/2"
	var logged bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&logged, nil), slog.NewJSONHandler(&logged, nil)} {
		slog.New(handler).Info("x", "key", c.API.Key, "url", c.Redis.URL, "config", c, "pointer", &c, "group", slog.GroupValue(slog.Any("k", c.API)))
	}
	asYAML, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{logged.String(), string(asYAML), string(asJSON), fmt.Sprint(c.API.Key, c.Redis.URL), fmt.Sprint(c, &c)}
	// Not %p, which fmt does not leave to the type; vet refuses it.
	for _, verb := range "vsqxXdbtTcUeg" {
		printed = append(printed, fmt.Sprintf("%"+string(verb)+" %+"+string(verb)+" %#"+string(verb), c.API.Key, c.Redis.URL, c))
	}
	for _, text := range printed {
		for _, secret := range []string{"k3yk3y", "p4ssp4ss", fmt.Sprintf("%x", "k3yk3y"), fmt.Sprintf("%x", "p4ssp4ss")} {
			if strings.Contains(strings.ToLower(text), secret) {
				t.Errorf("%q is in %s", secret, text)
			}
		}
	}
	for _, text := range []string{string(asYAML), string(asJSON)} {
		if !strings.Contains(text, "(hidden)") || !strings.Contains(text, "redis://user:(hidden)@host:1/2") {
			t.Errorf("want the places of secrets to be seen in %s", text)
		}
	}
}

func TestSecretsReveal(t *testing.T) {
	if got := Secret("k").Reveal(); got != "k" {
		t.Errorf("Secret: got %q, want k", got)
	}
	if got := URL("redis://:p@h").Reveal(); got != "redis://:p@h" {
		t.Errorf("URL: got %q, want redis://:p@h", got)
	}
}

func TestURLString(t *testing.T) {
	tests := []struct{ url, want string }{
		{"", ""},
		{"redis://h:1/2", "redis://h:1/2"},
		{"redis://:pw@h", "redis://:(hidden)@h"},
		{"redis://u:@h", "redis://u:(hidden)@h"},
		{"rediss://u:pw@h/1?a=b", "rediss://u:(hidden)@h/1?a=b"},
		{"redis://pw@h", "redis://(hidden)@h"},
		{"redis://u:p%@h", "(hidden)"},
		{"redis:u:pw@h", "(hidden)"},
		{"u:pw@h", "(hidden)"},
		{"pw", "(hidden)"},
	}
	for _, test := range tests {
		t.Run(test.url, func(t *testing.T) {
			if got := URL(test.url).String(); got != test.want {
				t.Errorf("String of %q: got %q, want %q", test.url, got, test.want)
			}
		})
	}
}

// Whatever is wrong around a secret, faults do not show it.
func TestFaultsHoldNoSecret(t *testing.T) {
	const secret = "5ecr3t-0f-0ur5"
	files := []string{
		"api: {key: " + secret + ", key: " + secret + "}",
		"api: {key: [" + secret + "]}",
		"api: {key: {" + secret + ": 1}}",
		"api: {key " + secret + "}",
		"api: {" + secret + "}",
		"api: " + secret,
		"api:\n  - key: " + secret,
		"api:\n  key: '" + secret,
		"api:\n  key: " + secret + "\n addr: x",
		"api:\n  key: @" + secret,
		"api:\n  key: *" + secret,
		"api:\n  key: !x " + secret,
		"api:\n\tkey: " + secret,
		"api:\n  key: " + secret + ": x",
		"api:\n  key: '" + secret + " x'",
		"redis: " + "redis://:" + secret + "@h",
		"redis: {url: 'http://:" + secret + "@h'}",
		"redis: {url: 'redis://:" + secret + "%@h'}",
		"redis: {url: 'redis://:a/" + secret + "@h'}",
		"redis: {url: redis://:" + secret + "@h/x}",
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			c, err := Load(write(t, file), nil)
			if err == nil {
				err = c.Check(readRedisURL)
			}
			if err == nil || strings.Contains(strings.Join(texts(t, err), "\n"), secret) {
				t.Errorf("Load(%q): got %v, want a fault without the secret", file, err)
			}
		})
	}
	for _, variable := range []string{"BELFRY_API_KEY=" + secret + " x", "BELFRY_REDIS_URL=http://:" + secret + "@h", "BELFRY_KEY=" + secret} {
		c, err := Load("", []string{variable})
		if err == nil {
			err = c.Check(readRedisURL)
		}
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v, want a fault without the secret", variable, err)
		}
	}
}
