package redisbroker_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
	"belfry/hub/hubtest"
	"belfry/hub/redisbroker"
)

// rightsOf are those that README names for the user of a prefix, as ACL SETUSER takes
// them.
func rightsOf(t *testing.T, prefix string) []any {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "\nACL SETUSER belfry on >PASSWORD ")
	text, _, end := strings.Cut(rest, "\n```")
	if !ok || !end {
		t.Fatal("README does not name the rights of a user")
	}
	var rights []any
	for _, right := range strings.Fields(strings.ReplaceAll(text, "\\\n", " ")) {
		rights = append(rights, strings.ReplaceAll(right, "belfry:", prefix))
	}
	return rights
}

// addUser makes a user of a Redis and returns a URL for it.
func addUser(t *testing.T, r *hubtest.RedisServer, name string, rights ...any) string {
	t.Helper()
	redisSays(t, r, append([]any{"ACL", "SETUSER", name, "on", ">s3cret"}, rights...)...)
	return "redis://" + name + ":s3cret@" + r.Addr()
}

// A user with the rights that README names can do everything that a node does, and
// each of them is used for that.
func TestRightsOfREADMEAreEnough(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	rights := append(rightsOf(t, "belfry:3:"), "+select")
	url := addUser(t, r, "bell", rights...) + "/3"
	redisSays(t, r, "CONFIG", "RESETSTAT")
	node := func() (*hub.Hub, func()) {
		o := patient(url)
		o.PresenceTTL = time.Second
		return hubtest.Run(t, hub.Options{Broker: redisBroker(t, o), Rules: hub.Rules{
			{Match: "plain"}, {Match: "here", Presence: true}, {Match: "small", History: hub.History{Size: 100, TTL: time.Hour, Bytes: 500}}, keepingRule,
		}})
	}
	h, _ := node()
	other, stop := node()
	waitReady(t, h)
	waitReady(t, other)
	useMessages(t, r, h, other)
	usePresence(t, r, h, other, stop)
	useVouching(t, r, h)
	if log := redisSays(t, r, "ACL", "LOG"); strings.Contains(log, "bell") {
		t.Errorf("something was refused:\n%s", log)
	}
	used := redisSays(t, r, "INFO", "commandstats")
	for _, right := range rights {
		command, ok := strings.CutPrefix(fmt.Sprint(right), "+")
		if ok && !strings.Contains(used, "cmdstat_"+command+":") {
			t.Errorf("nothing needs %s", command)
		}
	}
}

// useMessages has messages published and read in every way.
func useMessages(t *testing.T, r *hubtest.RedisServer, h, other *hub.Hub) {
	t.Helper()
	rec := hubtest.ListenForLosses(t, other, "chat")
	first := hubtest.Publish(t, h, "chat", "1")
	for range 2 {
		hubtest.PublishWith(t, h, "chat", "2", hub.PublishOptions{IdempotencyKey: "k"})
		hubtest.PublishWith(t, h, "plain", "2", hub.PublishOptions{IdempotencyKey: "k"})
	}
	rec.Want(t, "1", "2")
	for range 5 {
		hubtest.Publish(t, h, "small", strings.Repeat("x", 200))
	}
	killPubSub(t, r)
	hubtest.Recover(t, h, "chat", hubtest.NewRecorder("late"), hub.Position{Epoch: first.Epoch})
	for _, o := range []hub.HistoryOptions{{Limit: 1, Reverse: true, Bytes: 1000}, {Limit: 1, Reverse: true}, {Limit: 1}} {
		if _, err := h.History(t.Context(), "chat", o); err != nil {
			t.Error(err)
		}
	}
	if err := h.RemoveHistory(t.Context(), "chat"); err != nil {
		t.Error(err)
	}
	// Somebody has written to the position: the numbering begins anew, and again.
	for range 3 {
		redisSaysIn(t, r, 3, "SET", "belfry:3:{chat}:position", "x")
		hubtest.Publish(t, h, "chat", "3")
	}
}

// usePresence has clients come, be counted and read, and go with their node.
func usePresence(t *testing.T, r *hubtest.RedisServer, h, other *hub.Hub, stop func()) {
	t.Helper()
	waitReady(t, h)
	waitReady(t, other)
	hubtest.Enter(t, h, "here", hubtest.Client("anna"))
	sub, _ := hubtest.Enter(t, other, "here", hubtest.Client("ben"))
	hubtest.WantPresent(t, h, "here", "anna ben", 2)
	sub.Cancel()
	hubtest.WantPresent(t, h, "here", "anna", 1)
	hubtest.Enter(t, other, "here", hubtest.Client("carl"))
	hubtest.WantPresent(t, h, "here", "anna carl", 2)
	killPubSub(t, r) // which makes the nodes doubt what Redis has
	waitUsed(t, r, "hkeys")
	stop()
	hubtest.WantPresent(t, h, "here", "anna", 1)
	hubtest.Subscribe(t, h, "left", hubtest.NewRecorder("l"), lines).Cancel()
	waitUsed(t, r, "unsubscribe")
}

// useVouching has Redis be another than it was: without a loss, and with one.
func useVouching(t *testing.T, r *hubtest.RedisServer, h *hub.Hub) {
	t.Helper()
	redisSays(t, r, "REPLICAOF", "127.0.0.1", "1")
	redisSays(t, r, "REPLICAOF", "NO", "ONE")
	waitUsed(t, r, "rename")
	persistently(t, h, "4")
	term := redisSaysIn(t, r, 3, "HGET", "belfry:3:vouched", "t")
	redisSaysIn(t, r, 3, "SET", "belfry:3:vouched:count:"+term, 1)
	persistently(t, h, "5")
}

// waitUsed waits until a Redis has run a command.
func waitUsed(t *testing.T, r *hubtest.RedisServer, command string) {
	t.Helper()
	hubtest.Eventually(t, hubtest.Patience, func() bool {
		return strings.Contains(redisSays(t, r, "INFO", "commandstats"), "cmdstat_"+command+":")
	}, "somebody runs "+command)
}

// redisSaysIn is redisSays in a database other than 0.
func redisSaysIn(t *testing.T, r *hubtest.RedisServer, db int, args ...any) string {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: r.Addr(), DB: db})
	defer c.Close()
	answer, err := c.Do(t.Context(), args...).Result()
	if err != nil {
		t.Fatalf("redis: %v: %v", args, err)
	}
	return fmt.Sprint(answer)
}

// Everything that a script runs is asked for before.
func TestScriptsRunWhatIsAskedFor(t *testing.T) {
	files, err := filepath.Glob("*.lua")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no scripts", err)
	}
	called := regexp.MustCompile(`redis\.p?call\(['"](\w+)['"]`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range called.FindAllStringSubmatch(string(text), -1) {
			if command := strings.ToLower(call[1]); !strings.Contains("\n"+redisbroker.Needs, "\n"+command+"\t") && command != "memory" {
				t.Errorf("%s runs %s, for which nobody asks", file, call[1])
			}
		}
	}
}

// Without any one of the rights nothing is done, whatever was asked for, and the
// node says which is missing, is not ready, and lets nobody try again.
func TestEveryRightIsNeeded(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	all := rightsOf(t, "belfry:")
	var missing [][]any
	for _, right := range all {
		if command, ok := strings.CutPrefix(fmt.Sprint(right), "+"); ok {
			missing = append(missing, []any{"-" + command})
		}
	}
	missing = append(missing, []any{"resetchannels"}, []any{"resetkeys"}, []any{"resetchannels", "&%snodes"}, []any{"resetkeys", "~%s{*"}, []any{"resetkeys", "%%R~%s*"})
	for i, minus := range missing {
		t.Run(fmt.Sprint(minus), func(t *testing.T) {
			t.Parallel()
			prefix := fmt.Sprintf("p%d:", i)
			rights := rightsOf(t, prefix)
			for _, m := range minus {
				if text := m.(string); strings.Contains(text, "%s") {
					m = fmt.Sprintf(text, prefix)
				}
				rights = append(rights, m)
			}
			wantNothingDone(t, r, addUser(t, r, fmt.Sprint("bell", i), rights...), prefix)
		})
	}
}

// wantNothingDone checks that whatever is published is refused for good, and that
// nothing of it is in Redis.
func wantNothingDone(t *testing.T, r *hubtest.RedisServer, url, prefix string) {
	t.Helper()
	o := patient(url)
	o.Prefix = prefix
	h, _ := hubtest.Run(t, hub.Options{Broker: redisBroker(t, o), Rules: hub.Rules{{Match: "kept", History: keptHistory}, {Match: "*"}}})
	for channel, key := range map[string]string{"kept": "", "plain": "", "key": "k"} {
		err := hubtest.TryPublish(h, channel, "x", key)
		var refused *hub.RefusedError
		if !errors.As(err, &refused) || !refused.Lasts || errors.Is(err, hub.ErrUnanswered) || !strings.Contains(refused.Reason, "NOPERM") {
			t.Errorf("publish to %s: %v, want a refusal that lasts", channel, err)
		}
	}
	if err := h.Ready(t.Context()); err == nil {
		t.Error("the node is ready")
	}
	if keys := redisSays(t, r, "KEYS", prefix+"*"); keys != "[]" {
		t.Errorf("Redis has %s", keys)
	}
}

// A right that is taken away while a node runs is noticed, with what was kept
// untouched; once it is given back everything goes on.
func TestRightIsTakenAway(t *testing.T) {
	t.Parallel()
	r := hubtest.Redis(t)
	h := redisHubAt(t, addUser(t, r, "bell", rightsOf(t, "belfry:")...), keeping)
	rec := hubtest.ListenForLosses(t, h, "chat")
	hubtest.Publish(t, h, "chat", "1")
	for _, right := range []string{"xadd", "publish"} {
		redisSays(t, r, "ACL", "SETUSER", "bell", "-"+right)
		wantNotReady(t, h, "it may not run "+right)
		if err := hubtest.TryPublish(h, "chat", "x", ""); err == nil {
			t.Error("a message was accepted")
		}
		redisSays(t, r, "ACL", "SETUSER", "bell", "+"+right)
		waitReady(t, h)
	}
	hubtest.Publish(t, h, "chat", "2")
	rec.Want(t, "1", "2")
	if rec.Losses() != 0 {
		t.Error("the subscriber was told of a loss")
	}
}

// A right is taken away, and the node has not noticed yet: a script may be refused in its
// middle. Nobody is told that nothing was done when something was, what was kept stays,
// and who tries again with the same key is no duplicate of what was not published.
func TestRightIsMissedInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, right := range []string{"xadd", "publish", "hincrby", "pexpire"} {
		t.Run(right, func(t *testing.T) {
			t.Parallel()
			r := hubtest.Redis(t)
			h := redisHubAt(t, addUser(t, r, "bell", rightsOf(t, "belfry:")...), hub.Rules{{Match: "plain"}, keepingRule})
			kept, plain := hubtest.ListenForLosses(t, h, "chat"), hubtest.Listen(t, h, "plain", "p")
			first := hubtest.Publish(t, h, "chat", "1")
			kept.Want(t, "1")
			redisSays(t, r, "ACL", "SETUSER", "bell", "-"+right)
			ofKept := publishErr(h, "")
			ofPlain := hubtest.TryPublish(h, "plain", "x", "k")
			redisSays(t, r, "ACL", "SETUSER", "bell", "+"+right)
			waitReady(t, h)
			if ofPlain != nil {
				hubtest.Publish(t, h, "plain", "end") // what is not heard before is not
				if r := hubtest.PublishWith(t, h, "plain", "x", hub.PublishOptions{IdempotencyKey: "k"}); r.Duplicate {
					t.Error("what was refused counts as published")
				}
				plain.Want(t, "end", "x")
			}
			last := hubtest.Publish(t, h, "chat", "end")
			hubtest.Eventually(t, hubtest.Patience, func() bool { return slices.Contains(kept.Data(), "end") }, "it goes on")
			heard := slices.Contains(kept.Data(), "x")
			if last.Epoch != first.Epoch || kept.Losses() > 0 || heard && ofKept != nil && !errors.Is(ofKept, hub.ErrUnanswered) {
				t.Errorf("after %+v came %+v, %q was heard, %d losses; the publisher was told %v", first, last, kept.Data(), kept.Losses(), ofKept)
			}
		})
	}
}
