package web_test

import (
	"testing"

	"belfry/hub/hubtest"
)

// TestPolyfillClients has client libraries that know nothing of websocket.js use
// it, over each transport.
func TestPolyfillClients(t *testing.T) {
	t.Parallel()
	browser := hubtest.Browser(t)
	s := newPolyfillSite(t)
	for _, client := range []struct{ name, pkg, run string }{
		{"belfry.js", "", `import("/belfry.js").then(() => new Promise(heard => {
			const belfry = new Belfry();
			belfry.on("subscribed", () => belfry.publish("chat-client", "hello"));
			belfry.subscribe("chat-client", ({ data }) => data === "hello" && heard());
		}))`},
		{"centrifuge", "centrifuge", `new Promise((loaded, failed) =>
			document.head.append(Object.assign(document.createElement("script"),
				{ src: "/npm/node_modules/centrifuge/dist/centrifuge.js", onload: loaded, onerror: failed }))
		).then(() => new Promise(heard => {
			const centrifuge = new Centrifuge(at("/connection/websocket"));
			const subscription = centrifuge.newSubscription("chat-npm");
			subscription.on("subscribed", () => subscription.publish("hello"));
			subscription.on("publication", ({ data }) => data === "hello" && heard());
			subscription.subscribe();
			centrifuge.connect();
		}))`},
	} {
		t.Run(client.name, func(t *testing.T) {
			t.Parallel()
			if client.pkg != "" {
				hubtest.NeedPackage(t, "testdata/npm", client.pkg)
			}
			for _, transport := range append([]string{"websocket"}, transports...) {
				t.Run(transport, func(t *testing.T) {
					t.Parallel()
					p := s.open(t, browser, "force="+transport)
					p.run(`globalThis.WebSocket = class extends WebSocket {
						constructor(...args) { super(...args); globalThis.socket = this; }
					}`)
					p.run(client.run)
					p.wantTransport(transport)
					p.wantQuiet()
				})
			}
		})
	}
}
