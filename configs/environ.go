package configs

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// testPrefix begins the names of variables that only Belfry's tests read. They are
// let pass.
const testPrefix = prefix + "TEST_"

// clientVariables are read by the commands that are clients of a server, and
// are let pass.
var clientVariables = []string{"BELFRY_SERVER"}

// loadEnviron sets what the environment says. A variable that is set but empty
// counts: it empties a text or a list.
func loadEnviron(c *Config, environ []string) Faults {
	set := env.ToMap(environ)
	faults := unknownVariables(c, set)
	for _, s := range settings(c) {
		value, ok := set[s.env]
		if !ok || s.env == "" {
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
		if s.env != "" {
			known = append(known, s.env)
		}
	}
	known = append(known, clientVariables...)
	var faults Faults
	for name := range set {
		if strings.HasPrefix(name, prefix) && !strings.HasPrefix(name, testPrefix) && !slices.Contains(known, name) {
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
