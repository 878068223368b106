package hub

import "context"

func (b *RedisBroker) Join(ctx context.Context, channel string, c ClientInfo) error {
	return ErrUnavailable
}
func (b *RedisBroker) Leave(channel, client string) {}
func (b *RedisBroker) Presence(ctx context.Context, channel string) ([]ClientInfo, error) {
	return nil, ErrUnavailable
}
func (b *RedisBroker) PresenceStats(ctx context.Context, channel string) (PresenceStats, error) {
	return PresenceStats{}, ErrUnavailable
}
func (b *RedisBroker) Signal(ctx context.Context, node string, data []byte) (int, error) {
	return 0, ErrUnavailable
}
