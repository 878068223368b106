package redisbroker

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

// answer is a way in which Redis says no, by how its errors begin. Redis before 7
// puts that behind words of its own when a script meets it.
type answer struct {
	says    string
	refusal *hub.RefusedError // for everybody to see; nil: not everybody's business
	mend    string            // what ends it; empty: time may
}

// What ends refusals that last.
const (
	mendCluster  = "the URL has to be that of a Redis without cluster mode (cluster-enabled no), which Belfry cannot use yet"
	mendRights   = "let the user of the URL run every command, on the keys and Pub/Sub channels that begin with the prefix"
	mendMemory   = "redis-cli CONFIG SET maxmemory 512mb, or what there is, and the same in redis.conf"
	mendPolicy   = "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf"
	mendPassword = "the URL has to have the user and the password that Redis wants"
)

var answers = []answer{
	{"OOM ", &hub.RefusedError{Reason: "Redis is out of memory"}, ""},
	{"READONLY ", &hub.RefusedError{Reason: "Redis is read-only"}, ""},
	{"MISCONF ", &hub.RefusedError{Reason: "Redis cannot save its data and takes no more"}, ""},
	{"NOREPLICAS ", &hub.RefusedError{Reason: "Redis has too few replicas"}, ""},
	{"LOADING ", &hub.RefusedError{Reason: "Redis is still loading its data"}, ""},
	{"CROSSSLOT ", nil, mendCluster},
	{"MOVED ", nil, mendCluster},
	{"ASK ", nil, mendCluster},
	{"CLUSTERDOWN ", nil, mendCluster},
	{"NOPERM ", nil, mendRights},
	{"The user executing the script ", nil, mendRights},
	{"NOAUTH ", nil, mendPassword},
	{"WRONGPASS ", nil, mendPassword},
}

// answerOf returns what an error of Redis is, if it is known.
func answerOf(err error) (a answer, known bool) {
	if !isReply(err) {
		return answer{}, false
	}
	for _, a := range answers {
		if strings.Contains(" "+err.Error(), " "+a.says) || strings.Contains(err.Error(), "-"+a.says) {
			return a, true
		}
	}
	return answer{}, false
}

// isReply reports whether an error is what Redis has answered, and not that it did
// not.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// unavailable wraps what Redis or the way to it says, with what that means for
// the call.
func unavailable(operation string, err error) error {
	if err == nil {
		return nil
	}
	if meaning := meaning(err); meaning != nil {
		return fmt.Errorf("%w: %s: %w: %w", hub.ErrUnavailable, operation, meaning, err)
	}
	return fmt.Errorf("%w: %s: %w", hub.ErrUnavailable, operation, err)
}

// meaning returns nil when nothing was done and there is no more to say.
func meaning(err error) error {
	var way *net.OpError
	switch {
	case isReply(err):
		if a, _ := answerOf(err); a.refusal != nil {
			return a.refusal
		}
		return nil
	case errors.As(err, &way) && way.Op == "dial", errors.Is(err, redis.ErrPoolTimeout):
		return nil
	}
	return hub.ErrUnanswered
}

// reasonOf is what is the same in errors that mean the same: what Redis has said, or
// what went wrong on the way to it, without the ports of the connection.
func reasonOf(err error) string {
	var reply redis.Error
	var way *net.OpError
	switch {
	case errors.As(err, &reply):
		return reply.Error()
	case errors.As(err, &way):
		return way.Op + ": " + way.Err.Error()
	}
	return err.Error()
}
