package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// versionCommand is belfry version.
type versionCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints the version and what it was built with.
func (c versionCommand) Run(t *terminal) error {
	if !c.JSON {
		_, err := fmt.Fprintf(t.out, "belfry %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return err
	}
	text, err := marshal(map[string]string{"version": version(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.out, "%s\n", text)
	return err
}

// versionFlag is belfry --version, for those who try that first.
type versionFlag bool

// BeforeReset is called by kong when the flag is there, before anything else is looked
// at.
func (versionFlag) BeforeReset(k *kong.Kong, t *terminal) error {
	err := versionCommand{}.Run(t)
	k.Exit(0)
	return err
}

// version is what the build knows of itself: a module version, which a build from a
// checkout takes from git, or "devel".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
