package hub

// Channels returns the channels of this node that have subscribers, with how
// many subscriptions each has. Their names match a pattern, as in [Rule].Match.
func (h *Hub) Channels(pattern string) map[string]int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	found := make(map[string]int)
	for name, c := range h.channels {
		if c.refs > 0 && matches(pattern, name) {
			found[name] = c.refs
		}
	}
	return found
}
