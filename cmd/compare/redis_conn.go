package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// redisConn is a plain connection to Redis (RESP2): what go-redis does besides, such
// as pools and retries, would be measured with it. It is for one goroutine.
type redisConn struct {
	net.Conn
	r *bufio.Reader
}

// dialRedis connects to a Redis, which is given a second for it.
func dialRedis(addr string) (*redisConn, error) {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	return &redisConn{c, bufio.NewReader(c)}, nil
}

// maxRedisAnswer is the most bytes of an answer.
const maxRedisAnswer = 1 << 20

// ask sends a command without arguments that need quotes, and returns the answer:
// the text of a bulk string, or the first line of anything else, which may be an
// error of Redis. It has two seconds.
func (c *redisConn) ask(command string) (string, error) {
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := io.WriteString(c, command+"\r\n"); err != nil {
		return "", err
	}
	line, err := c.r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	size, err := strconv.Atoi(strings.TrimPrefix(line, "$"))
	if !strings.HasPrefix(line, "$") || err != nil || size < 0 {
		return line, nil
	}
	if size > maxRedisAnswer {
		return "", fmt.Errorf("redis: an answer to %s of %d bytes", command, size)
	}
	text := make([]byte, size+len("\r\n"))
	_, err = io.ReadFull(c.r, text)
	return string(text[:size]), err
}

// pingEvery is the pause between the pings of roundTrips.
const pingEvery = 10 * time.Millisecond

// pings adds up how long a PING takes in microseconds, at least once, until the
// context ends. The times belong to it until it returns.
func (c *redisConn) pings(ctx context.Context, times *[]float64) error {
	for first := true; first || ctx.Err() == nil; first = false {
		start := time.Now()
		if _, err := c.ask("PING"); err != nil {
			return err
		}
		*times = append(*times, float64(time.Since(start).Nanoseconds())/1e3)
		time.Sleep(pingEvery)
	}
	return nil
}
