package configs

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// testPrefix begins the names of variables that only Belfry's tests read. They are
// let pass.
const testPrefix = prefix + "TEST_"

// fileVariable names the file when no flag does.
const fileVariable = prefix + "CONFIG"

// otherVariables are read elsewhere: by Load, and by the commands that are clients of
// a server.
var otherVariables = []string{fileVariable, "BELFRY_SERVER", "BELFRY_TOKEN"}

// Variables by which Kubernetes, and Docker's links, tell a container of a service that
// is called belfry, or belfry-redis.
var (
	serviceVariable = regexp.MustCompile(`^BELFRY_(?:[A-Z0-9_]+_)?(?:SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:ADDR|PORT|PROTO))?)$`)
	portVariable    = regexp.MustCompile(`^BELFRY_(?:[A-Z0-9_]+_)?PORT=(?:tcp|udp|sctp)://`)
)

// isOfService reports whether somebody else has set a variable. A BELFRY_PORT that has
// a number is what a person tries who wants another port.
func isOfService(name, value string) bool {
	return serviceVariable.MatchString(name) || portVariable.MatchString(name+"="+value)
}

// loadEnviron sets what the environment says. A variable that is set but empty
// counts: it empties a text or a list.
func loadEnviron(c *Config, environ []string) Faults {
	set := env.ToMap(environ)
	faults := unknownVariables(c, set)
	for _, s := range settings(c) {
		value, ok := set[s.env]
		if !ok {
			continue
		}
		if s.isYAML() {
			faults = append(faults, loadVariable(c, s, value)...)
			continue
		}
		if err := setVariable(c, s, value); err != nil {
			faults = append(faults, Fault{s.env, s.key, show(s.value, value) + err.Error()})
			continue
		}
		c.from.set(s.key, s.env)
	}
	return faults
}

// unknownVariables finds slips of the pen, which would otherwise change nothing and
// say nothing. They are sorted: a map has no order.
func unknownVariables(c *Config, set map[string]string) Faults {
	var known []string
	for _, s := range settings(c) {
		known = append(known, s.env)
	}
	known = append(known, otherVariables...)
	var faults Faults
	for name, value := range set {
		if strings.HasPrefix(name, prefix) && !strings.HasPrefix(name, testPrefix) && !slices.Contains(known, name) && !isOfService(name, value) {
			faults = append(faults, Fault{Place: name, Problem: "unknown environment variable; there are " + list(known)})
		}
	}
	slices.SortFunc(faults, func(a, b Fault) int { return strings.Compare(a.Place, b.Place) })
	return faults
}

// setVariable parses one variable. The library is given only this one, because
// its errors name fields and not variables, and no empty ones, which it takes
// for unset.
func setVariable(c *Config, s setting, value string) error {
	if value == "" {
		return setEmpty(s.value)
	}
	if wrapped := wrapping(value); wrapped != "" && s.value.Kind() != reflect.Slice {
		return errors.New(wrapped)
	}
	err := env.ParseWithOptions(c, env.Options{Prefix: prefix, Environment: map[string]string{s.env: value}})
	if err == nil {
		return nil
	}
	if kind := s.value.Kind(); kind == reflect.Int || kind == reflect.Bool {
		return errors.New("want " + wanted(s.value))
	}
	var parse env.ParseError
	if errors.As(err, &parse) {
		return parse.Err
	}
	return err
}

// setEmpty is for a variable that is set and empty. A number has no such value.
func setEmpty(v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString("")
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	default:
		return fmt.Errorf("want a value; leave the variable out for the default")
	}
	return nil
}
