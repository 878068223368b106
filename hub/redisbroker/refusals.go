package redisbroker

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"belfry/hub"
)

// refusals are the codes with which the errors of Redis begin. Redis before 7
// puts them behind words of its own when a script meets them.
var refusals = []struct {
	code string
	err  *hub.RefusedError
}{
	{"OOM", &hub.RefusedError{Reason: "Redis is out of memory"}},
	{"READONLY", &hub.RefusedError{Reason: "Redis is read-only"}},
	{"MISCONF", &hub.RefusedError{Reason: "Redis cannot save its data and takes no more"}},
	{"NOREPLICAS", &hub.RefusedError{Reason: "Redis has too few replicas"}},
	{"LOADING", &hub.RefusedError{Reason: "Redis is still loading its data"}},
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
	var answer redis.Error
	var way *net.OpError
	switch {
	case errors.As(err, &answer):
		return refusal(answer)
	case errors.As(err, &way) && way.Op == "dial", errors.Is(err, redis.ErrPoolTimeout):
		return nil
	}
	return hub.ErrUnanswered
}

func refusal(answer redis.Error) error {
	for _, r := range refusals {
		if strings.Contains(answer.Error(), r.code+" ") {
			return r.err
		}
	}
	return nil
}
