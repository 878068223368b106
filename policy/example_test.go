package policy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"belfry/policy"
)

func Example() {
	p, err := policy.New([]policy.Grant{
		{Domain: "*.example.com", Ports: "80,40132"},
		{Domain: "192.0.2.7", Ports: "5000-5010"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	server, err := policy.Listen(ctx, policy.Options{Addr: "127.0.0.1:0", Policy: p})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() { ended <- server.Run(ctx) }()

	// What a player does.
	conn, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	io.WriteString(conn, policy.Request)
	reply, _ := io.ReadAll(conn)
	conn.Close()
	fmt.Println(strings.TrimSuffix(string(reply), "\x00"))

	cancel()
	fmt.Println(<-ended)
	// Output:
	// <?xml version="1.0"?>
	// <cross-domain-policy>
	//   <allow-access-from domain="*.example.com" to-ports="80,40132"/>
	//   <allow-access-from domain="192.0.2.7" to-ports="5000-5010"/>
	// </cross-domain-policy>
	//
	// <nil>
}
