package configs

import (
	"strconv"
	"strings"
)

// join is the key of a name below a key, which is empty at the top.
func join(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

// index is the key of an item of a list, from 0.
func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
