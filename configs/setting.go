package configs

import (
	"encoding"
	"reflect"
)

// prefix begins the names of all environment variables that Belfry reads.
const prefix = "BELFRY_"

// setting is one value of a Config that a file or a variable can set.
type setting struct {
	key   string        // in the file: http.addr
	env   string        // environment variable
	value reflect.Value // can be set
}

// settings returns every setting of c, in the order of the type.
func settings(c *Config) []setting {
	return appendSettings(nil, reflect.ValueOf(c).Elem(), "", prefix)
}

func appendSettings(all []setting, section reflect.Value, key, env string) []setting {
	for i := range section.NumField() {
		field := section.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		name, value := key+field.Tag.Get("json"), section.Field(i)
		if isSection(value) {
			all = appendSettings(all, value, name+".", env+field.Tag.Get("envPrefix"))
			continue
		}
		all = append(all, setting{name, env + field.Tag.Get("env"), value})
	}
	return all
}

// isYAML reports whether the variable of a setting has YAML, as a file has behind the
// key: a list that does not read itself from text.
func (s setting) isYAML() bool {
	_, text := s.value.Addr().Interface().(encoding.TextUnmarshaler)
	return s.value.Kind() == reflect.Slice && !text
}

// isSection reports whether v has keys of its own and no text.
func isSection(v reflect.Value) bool {
	_, text := v.Addr().Interface().(encoding.TextUnmarshaler)
	return v.Kind() == reflect.Struct && !text
}

// fieldNames returns the keys of a section.
func fieldNames(section reflect.Type) []string {
	var names []string
	for i := range section.NumField() {
		if f := section.Field(i); f.IsExported() && f.Tag.Get("json") != "-" {
			names = append(names, f.Tag.Get("json"))
		}
	}
	return names
}

// field returns the field of a section that has the key name.
func field(section reflect.Value, name string) (reflect.Value, bool) {
	for i := range section.NumField() {
		if f := section.Type().Field(i); f.IsExported() && f.Tag.Get("json") == name && name != "-" {
			return section.Field(i), true
		}
	}
	return reflect.Value{}, false
}
