package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"belfry/hub/hubtest"
)

// npmFolder returns where the published client libraries are installed.
func npmFolder(t *testing.T) string {
	t.Helper()
	folder := filepath.Join("..", "..", "web", "testdata", "npm")
	hubtest.NeedPackage(t, folder, "centrifuge")
	return folder
}

// prepareNode opens each client in a Node of its own.
func prepareNode(t *testing.T) platform {
	t.Helper()
	node, folder := hubtest.Need(t, "node"), npmFolder(t)
	return func(t *testing.T, server string) (func(string), <-chan string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), node, "remote_node.mjs", server, remoteOptions)
		cmd.Dir, cmd.Stderr = folder, new(output)
		return runNode(t, cmd)
	}
}

// runNode runs a client whose orders and lines are its input and output. Node is
// killed with the test.
func runNode(t *testing.T, cmd *exec.Cmd) (func(string), <-chan string) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := make(chan string, remoteLines)
	t.Cleanup(func() {
		for range told { // until all is read
		}
		_ = cmd.Wait() // says that it was killed
		if t.Failed() {
			t.Logf("Node said:\n%s", cmd.Stderr)
		}
	})
	go func() { // ends with Node; cleanup waits
		defer close(told)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			told <- lines.Text()
		}
	}()
	return func(line string) { _, _ = fmt.Fprintln(in, line) }, told // a Node that is gone does not answer
}

// prepareChromium opens each client in a page of its own, of a user of its own.
// The pages come from the test and not from Belfry.
func prepareChromium(t *testing.T) platform {
	t.Helper()
	browser := hubtest.Browser(t)
	pages := httptest.NewServer(http.FileServer(http.Dir(npmFolder(t))))
	t.Cleanup(pages.Close)
	return func(t *testing.T, server string) (func(string), <-chan string) {
		t.Helper()
		query := url.Values{"server": {server}, "options": {remoteOptions}}
		return openPage(t, browser, pages.URL+"/remote.html?"+query.Encode())
	}
}

// openPage opens a page with a client in it.
func openPage(t *testing.T, browser context.Context, address string) (func(string), <-chan string) {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	told := make(chan string, remoteLines)
	err := chromedp.Listen(ctx, func(ev any) {
		if called, ok := ev.(*runtime.EventBindingCalled); ok {
			told <- called.Payload
		}
	})
	if err == nil {
		_, err = chromedp.Call(ctx, runtime.AddBinding, runtime.AddBindingParams{Name: "tell"})
	}
	if err == nil {
		err = chromedp.Do(ctx, chromedp.Navigate(address))
	}
	if err != nil {
		t.Fatalf("open the client's page: %v", err)
	}
	return func(line string) {
		if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("void order(JSON.stringify(%s))", line))); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}, told
}
