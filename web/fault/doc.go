// Package fault has errors that clients may hear of.
//
// An [Error] is a [Kind] and a public text; what only the log may say is wrapped
// around it. It knows no protocol: each room declares its own errors, the HTTP
// status of each kind stands in kind.go and nowhere else, and each protocol has
// a table of its own codes by kind. [From] turns whatever went wrong, an error of
// the hub for one, into what may be heard of it.
//
// The rest is what every handler needs on its way to an error: reading a body
// within bounds, checking JSON, and answering.
package fault
