package main

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	if got := belfry(t, "", "version"); got.code != 0 || !strings.HasPrefix(got.out, "belfry "+version()+" "+runtime.Version()) {
		t.Errorf("got %+v", got)
	}
	if flag, command := belfry(t, "", "--version"), belfry(t, "", "version"); flag != command {
		t.Errorf("--version: got %+v", flag)
	}
	var v map[string]string
	got := belfry(t, "", "version", "--json")
	if err := json.Unmarshal([]byte(got.out), &v); err != nil || v["version"] != version() || v["go"] != runtime.Version() || v["os"] != runtime.GOOS {
		t.Errorf("got %+v, %v", got, err)
	}
}
