// Package access decides who may do what.
//
// A client arrives with a [Hello]; [Guard.Connect] makes an [Identity] of it.
// Whatever that does afterwards on a channel is a [Request], and [Guard.Allow]
// answers it, for every protocol and for the HTTP API alike: with a [Permit], or
// with an error for the client. [Rules] is the Guard that goes by the rules of
// the configuration.
//
// [Hosts], [Origins] and [Keys] stand before that: by which names this server is
// asked, which pages may speak to it at all, and who is the backend.
package access
