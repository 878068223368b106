package access_test

import (
	"context"
	"fmt"

	"belfry/hub"
	"belfry/web/access"
)

// Asks who may publish, by the default rules.
func ExampleRules() {
	guard := access.Rules{For: hub.New(hub.Options{}).Rule}
	ctx := context.Background()
	for _, channel := range []string{"chat", "news"} {
		_, client := guard.Allow(ctx, access.Request{Action: access.Publish, Channel: channel})
		_, backend := guard.Allow(ctx, access.Request{Who: access.Backend, Action: access.Publish, Channel: channel})
		fmt.Printf("%s: a client %v, the backend %v\n", channel, client, backend)
	}
	// Output:
	// chat: a client <nil>, the backend <nil>
	// news: a client an anonymous client may not publish to "news": the rule of "*" lets server: permission denied, the backend <nil>
}
