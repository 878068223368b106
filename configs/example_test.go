package configs_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"belfry/configs"
)

// Loads a file, with the environment over it. What is wrong is told all at once,
// and where it stands.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "belfry")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "belfry.yaml")
	text := "http: {addr: \":8080\"}\nlimits:\n  message: 16KiB\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		log.Fatal(err)
	}
	readURL := func(string) error { return nil } // of the broker

	c, err := configs.Load(file, []string{"BELFRY_API_KEY=hush"})
	fmt.Println(c.HTTP.Addr, c.Limits.Message, c.API.Key, err, c.Check(readURL))

	c, err = configs.Load(file, []string{"BELFRY_HTTP_ADDR=8080", "BELFRY_LIMITS_MESSAGE=1"})
	fmt.Println(err)
	fmt.Println(c.Check(readURL))
	// Output:
	// :8080 16KiB (hidden) <nil> <nil>
	// <nil>
	// BELFRY_HTTP_ADDR: http.addr: "8080": want :port or host:port, with a port from 0 to 65535, 0 for any free one
	// BELFRY_LIMITS_MESSAGE: limits.message: 1B: want 256B to 16MiB
}
