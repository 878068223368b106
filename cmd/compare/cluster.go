package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// cluster is instances of Belfry that meet at a Redis. The row decides which of them
// does what.
type cluster struct {
	redis *redisServer
	nodes []*server
}

// startCluster starts a Redis, with more arguments, and so many instances. What
// it returns is to be stopped after an error, too.
func (p *programs) startCluster(ctx context.Context, nodes int, more ...string) (c *cluster, err error) {
	c = new(cluster)
	if c.redis, err = newRedis(p.dir, more...); err != nil {
		return c, err
	}
	if err := c.redis.start(ctx); err != nil {
		return c, err
	}
	return c, c.join(ctx, p, slices.Repeat([]string{c.redis.url()}, nodes)...)
}

// join starts an instance for each way to the Redis.
func (c *cluster) join(ctx context.Context, p *programs, urls ...string) error {
	for _, url := range urls {
		s, err := p.startServer(ctx, "belfry", "--redis", url)
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, s)
	}
	return nil
}

// stop stops the instances, and then the Redis, which they would miss.
func (c *cluster) stop() {
	for _, s := range c.nodes {
		s.stop()
	}
	if c.redis != nil {
		c.redis.stop()
	}
}

// maxBroadcast is how many channels one call may name: Belfry's own limit.
const maxBroadcast = 1000

// text is a message of 128 bytes, as belfry bench has them by default.
var text = strings.Repeat("x", 128)

// publish publishes one message to each channel. All of them have to be
// accepted.
func (s *server) publish(ctx context.Context, channels ...string) error {
	for names := range slices.Chunk(channels, maxBroadcast) {
		body, err := json.Marshal(map[string]any{"channels": names, "data": text})
		if err != nil {
			return err
		}
		if err := s.call(ctx, "/api/broadcast", body); err != nil {
			return err
		}
	}
	return nil
}

// call calls the HTTP API and wants no error in the answer.
func (s *server) call(ctx context.Context, path string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("X-API-Key", apiKey)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err == nil && (response.StatusCode != http.StatusOK || bytes.Contains(answer, []byte(`"error"`))) {
		err = fmt.Errorf("%s: %s %.300s", path, response.Status, answer)
	}
	return err
}

// endpoint is where clients of the Centrifuge protocol connect.
func (s *server) endpoint() string {
	return "ws" + strings.TrimPrefix(s.url, "http") + "/connection/websocket"
}
