package configs

import (
	"maps"
	"strings"
)

// Fault is one thing that is wrong in a configuration. It holds no secret.
type Fault struct {
	Place   string // file:line, environment variable or flag; empty if unknown
	Key     string // such as limits.body or channels[2].match; empty: the file as a whole
	Problem string // what is wrong, and what would be accepted
}

func (f Fault) Error() string {
	text := f.Problem
	for _, part := range []string{f.Key, f.Place} {
		if part != "" {
			text = part + ": " + text
		}
	}
	return text
}

// Faults are all the faults that were found, in the order of the file. Its
// text has one line for each.
type Faults []Fault

func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// err returns fs as an error, nil if there are none.
func (fs Faults) err() error {
	if len(fs) == 0 {
		return nil
	}
	return fs
}

// places says where the value of a key was set: file:line, or the name of an
// environment variable or a flag.
type places map[string]string

// set notes a place. What was known of the parts of the old value is forgotten.
func (p places) set(key, place string) {
	maps.DeleteFunc(p, func(k, _ string) bool {
		return strings.HasPrefix(k, key+".") || strings.HasPrefix(k, key+"[")
	})
	p[key] = place
}

// of returns where key was set, or else what holds it.
func (p places) of(key string) string {
	for {
		if place, ok := p[key]; ok {
			return place
		}
		i := strings.LastIndexAny(key, ".[")
		if i < 0 {
			return ""
		}
		key = key[:i]
	}
}
