// Package configs holds Belfry's configuration: the type, its defaults, how it
// is loaded and what is accepted.
//
// Values come from four places, each over the one before: [Default], a YAML
// file, environment variables whose names begin with BELFRY_, and the flags of
// the command line. [Load] reads the first three; the command sets the fields
// of its flags, notes them with [Config.From] and calls [Config.Check].
//
// Reading is strict: a key that does not exist, a value of the wrong type and
// a value out of range are faults. All faults are reported together, each with
// its key, where the value came from and what would be accepted. Secrets hide
// themselves when printed, see [Secret] and [URL].
//
// belfry.yaml beside this file explains every key and equals the defaults. The
// package knows no other part of Belfry.
package configs
