package redisbroker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

// refuse has refusals see that Redis has answered a script with an error.
func refuse(r *refusals, text string) {
	r.see(redis.NewCmd(context.Background(), "evalsha", leaseScript.Hash(), 1, "belfry:leases"), reply(text))
}

func TestRefusalsAreWarnedOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRefusals(slog.New(slog.NewTextHandler(&log, nil)))
		said := func() (lines []string) {
			lines = strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
			log.Reset()
			return lines
		}
		for range 3000 { // five minutes
			refuse(r, "NOPERM no rights")
			refuse(r, "OOM no memory")
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(said()); n != 10 {
			t.Errorf("%d warnings of two reasons in five minutes, want 10", n)
		}
		refuse(r, "NOPERM other rights")
		if lines := said(); len(lines) != 1 || !strings.Contains(lines[0], "other rights") || !strings.Contains(lines[0], "lease.lua") {
			t.Errorf("a new reason is warned of as %q", lines)
		}
		for slot := range 1000 { // all of them say that it is a cluster
			refuse(r, fmt.Sprintf("MOVED %d 127.0.0.1:7000", slot))
		}
		if lines := said(); len(lines) != 1 {
			t.Errorf("a cluster is warned of %d times", len(lines))
		}
		for i := range 1000 {
			refuse(r, fmt.Sprint("NOPERM no rights to ", i))
		}
		if lines := said(); len(lines) > maxReasons {
			t.Errorf("there are %d warnings at once", len(lines))
		}
	})
}

// Only what no waiting ends makes a node not ready, and for as long as it goes on.
func TestRefusalsThatLast(t *testing.T) {
	for text, lasts := range map[string]bool{
		"NOPERM this user has no permissions to run the 'evalsha' command":                                              true,
		"ERR The user executing the script can't run this command":                                                      true,
		"ERR Error running script (call to f_77): @user_script:9: The user executing the script can't run this command": true,
		"CROSSSLOT Keys in request don't hash to the same slot":                                                         true,
		"MOVED 866 127.0.0.1:7002":                                          true,
		"CLUSTERDOWN Hash slot not served":                                  true,
		"NOAUTH Authentication required.":                                   true,
		"OOM command not allowed when used memory > 'maxmemory'.":           false,
		"READONLY You can't write against a read only replica.":             false,
		"LOADING Redis is loading the dataset in memory":                    false,
		"WRONGTYPE Operation against a key holding the wrong kind of value": false,
		"NOSCRIPT No matching script.":                                      false,
		"ERR value is not an integer or out of range":                       false,
	} {
		t.Run(text, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRefusals(slog.New(slog.DiscardHandler))
				refuse(r, text)
				if err := r.err(); (err != nil) != lasts || lasts && (!errors.Is(err, hub.ErrUnavailable) || !strings.Contains(err.Error(), text)) {
					t.Errorf("the node says %v; want that it cannot work: %t", err, lasts)
				}
				time.Sleep(refusedFor)
				if err := r.err(); err != nil {
					t.Errorf("ten seconds later it says %v", err)
				}
			})
		})
	}
}

// What a Redis is counts as long as the connection to it, and what an earlier one
// has refused no longer than that.
func TestRefusalsAfterExamination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRefusals(slog.New(slog.DiscardHandler))
		refuse(r, "NOPERM no rights")
		r.examined(errCluster, mendCluster)
		time.Sleep(time.Hour)
		if err := r.err(); !errors.Is(err, errCluster) || !errors.Is(err, hub.ErrUnavailable) {
			t.Errorf("an hour after it was examined: %v", err)
		}
		r.examined(nil, "")
		if err := r.err(); err != nil {
			t.Errorf("another Redis: %v", err)
		}
	})
}
