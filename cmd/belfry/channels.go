package main

import (
	"fmt"
	"strings"

	"belfry/hub"
)

// checkChannels refuses names that no server accepts, before one is asked. Whether
// there is such a channel is for the server to say.
func checkChannels(names ...string) error {
	for _, name := range names {
		if err := hub.CheckChannel(name); err != nil {
			return fmt.Errorf("channel %.300q: %s", name, strings.TrimPrefix(err.Error(), hub.ErrChannelName.Error()+": "))
		}
	}
	return nil
}
