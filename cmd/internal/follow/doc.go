// Package follow keeps connections of the Centrifuge protocol subscribed and watches
// that no message is missed: each knows the position of the last one, and can come
// back with it, as clients do when their server has died or lost its Redis.
//
// [Open] subscribes, [Followers.Leave] cuts the connections, and [Followers.Return]
// makes all come back in the same moment, to any server. What [Followers.Seen]
// returns is what a server owes to its clients: every offset once, in order, or a
// word that it cannot. It looks at offsets only, so that anybody may publish.
package follow
