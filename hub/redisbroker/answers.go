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
	says   string
	reason string // for everybody to see
	mend   string // what ends it; empty: time may
}

// What ends refusals that last.
const (
	mendCluster   = "the URL has to be that of a Redis without cluster mode (cluster-enabled no), which Belfry cannot use yet"
	mendRights    = "let the user of the URL run every command, on the keys and Pub/Sub channels that begin with the prefix"
	mendMemory    = "redis-cli CONFIG SET maxmemory 512mb, or what there is, and the same in redis.conf"
	mendPolicy    = "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf"
	mendPassword  = "the URL has to have the user and the password that Redis wants"
	mendProtected = "Redis has to have a password (requirepass), which the URL has as well, or protected-mode no behind a firewall"
	mendCommands  = "the URL has to be that of a Redis, 6.2 or newer, of which no command was renamed"
	mendSentinel  = "the URL has to lead to the master that the Sentinel watches, by a name or a proxy that follows it"
	mendReplica   = "the URL has to lead to the master, by a name or a proxy that follows it"
	mendTLS       = "redis:// is for a port without TLS and rediss:// for one with; redis.ca has to name who signed the certificate of Redis, redis.cert and redis.key are what Belfry shows"
)

var answers = []answer{
	{"OOM ", "Redis is out of memory", ""},
	{"READONLY ", "Redis is read-only", ""},
	{"MISCONF ", "Redis cannot save its data and takes no more", ""},
	{"NOREPLICAS ", "Redis has too few replicas", ""},
	{"LOADING ", "Redis is still loading its data", ""},
	{"MASTERDOWN ", "Redis is a replica without its master", ""},
	{"BUSY ", "Redis is busy with somebody's script", ""},
	{"max number of clients", "Redis has as many clients as it may", ""},
	{"CROSSSLOT ", "Redis is in cluster mode", mendCluster},
	{"MOVED ", "Redis is in cluster mode", mendCluster},
	{"ASK ", "Redis is in cluster mode", mendCluster},
	{"CLUSTERDOWN ", "Redis is in cluster mode", mendCluster},
	{"NOPERM ", "Redis says NOPERM: its user lacks a right", mendRights},
	{"The user executing the script ", "Redis says NOPERM: its user lacks a right", mendRights},
	{"NOAUTH ", "Redis says NOAUTH: it wants a password", mendPassword},
	{"WRONGPASS ", "Redis says WRONGPASS: it does not take the password", mendPassword},
	{"AUTH failed", "Redis says that AUTH failed", mendPassword},
	{"DENIED ", "Redis is in protected mode", mendProtected},
	{"unknown command", "Redis does not know a command that Belfry needs", mendCommands},
	{"Unknown Redis command", "Redis does not know a command that Belfry needs", mendCommands},
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
	if errors.Is(err, hub.ErrUnavailable) { // which says it already
		return fmt.Errorf("%s: %w", operation, err)
	}
	if meaning := meaning(err); meaning != nil {
		return fmt.Errorf("%w: %s: %w: %w", hub.ErrUnavailable, operation, meaning, err)
	}
	return fmt.Errorf("%w: %s: %w", hub.ErrUnavailable, operation, err)
}

// unsentError is why something was not sent to Redis, and so surely not done.
type unsentError struct{ error }

func (e unsentError) Unwrap() error { return e.error }

func isUnsent(err error) bool { return errors.As(err, new(unsentError)) }

// meaning returns nil when nothing was done and there is no more to say.
func meaning(err error) error {
	var way *net.OpError
	switch {
	case isReply(err):
		return refusalOf(err)
	case isAboutTLS(err):
		return &hub.RefusedError{Reason: "there is no TLS with Redis as it is configured", Lasts: true}
	case errors.Is(err, errHungUp):
		return &hub.RefusedError{Reason: "what is at the address of Redis hangs up"}
	case isUnsent(err), errors.As(err, &way) && way.Op == "dial", errors.Is(err, redis.ErrPoolTimeout):
		return nil
	}
	return hub.ErrUnanswered
}

// isHalfway reports whether a script was refused something for want of a right, which
// it may have met behind what it has done.
func isHalfway(err error) bool {
	a, _ := answerOf(err)
	return a.mend == mendRights && strings.Contains(err.Error(), "script")
}

// refusalOf is what everybody may know of an answer.
func refusalOf(err error) error {
	if a, known := answerOf(err); known {
		return &hub.RefusedError{Reason: a.reason, Lasts: a.mend != ""}
	}
	code, _, _ := strings.Cut(reasonOf(err), " ")
	return &hub.RefusedError{Reason: fmt.Sprintf("Redis answers %.20q", code)}
}

// mendOf is what ends an error, or empty.
func mendOf(err error) string {
	if isAboutTLS(err) || errors.Is(err, errHungUp) {
		return mendTLS
	}
	a, _ := answerOf(err)
	return a.mend
}

// keyOf is what is the same in errors of which one is told. Whatever is asked of a
// cluster, or without the password, is refused with words of its own.
func keyOf(err error) string {
	switch a, _ := answerOf(err); a.mend {
	case mendCluster:
		return a.mend
	case mendPassword:
		return a.reason
	}
	return reasonOf(err)
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
