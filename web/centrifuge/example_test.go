package centrifuge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"belfry/hub"
	"belfry/web"
	"belfry/web/centrifuge"
)

// sum answers one method, with the sum of numbers.
func sum(_ context.Context, _ hub.ClientInfo, method string, data []byte) ([]byte, error) {
	var numbers []int
	if method != "sum" || json.Unmarshal(data, &numbers) != nil {
		return nil, &centrifuge.RPCError{Code: 400, Message: "sum of a list of numbers is what is calculated here"}
	}
	total := 0
	for _, n := range numbers {
		total += n
	}
	return json.Marshal(total)
}

// Calls a handler as a backend does; clients of the protocol send an rpc command.
func ExampleRPCHandler() {
	server := httptest.NewServer(web.New(web.Options{Hub: hub.New(hub.Options{}), APIKey: "secret", RPC: sum}))
	defer server.Close()
	for _, body := range []string{`{"method": "sum", "params": [1, 2, 3]}`, `{"method": "product", "params": [1, 2, 3]}`} {
		r, err := http.NewRequest(http.MethodPost, server.URL+"/api/rpc", strings.NewReader(body))
		if err != nil {
			log.Fatal(err)
		}
		r.Header.Set("X-API-Key", "secret")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		fmt.Printf("%d %s", answer.StatusCode, text)
	}
	// Output:
	// 200 {"result":{"data":6}}
	// 400 {"error":{"code":400,"message":"sum of a list of numbers is what is calculated here"}}
}
