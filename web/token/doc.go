// Package token checks the tokens by which a backend says who its users are: JSON Web
// Tokens (RFC 7519), signed with a secret or a key of the backend's.
//
// A [Verifier] is made of keys. Each is bound to one algorithm, so that a public key
// is never taken for a secret; keys at a URL ([Key].JWKS) are bound by what the
// document says of each. [Verifier.Verify] returns [Claims] that can be relied on, or
// an [Error] that says why not: in full, for the log.
//
// What claims mean is for others: the package knows neither channels nor clients.
package token
