package redisbroker

import (
	_ "embed" // for the scripts

	"github.com/redis/go-redis/v9"
)

// The scripts, each of which says in its first lines what it does, with which keys.
var (
	//go:embed append.lua
	appendSource string
	//go:embed publish.lua
	publishText string
	//go:embed position.lua
	positionText string
	//go:embed begin.lua
	beginText string
	//go:embed entries.lua
	entriesSource string
	//go:embed vouch.lua
	vouchSource string
	//go:embed lease.lua
	leaseSource string
	//go:embed member.lua
	memberSource string
	//go:embed members.lua
	membersSource string
	//go:embed reap.lua
	reapSource string
	//go:embed rights.lua
	rightsSource string
	//go:embed notes.lua
	notesSource string

	publishSource  = beginText + publishText
	positionSource = beginText + positionText

	appendScript   = redis.NewScript(appendSource)
	publishScript  = redis.NewScript(publishSource)
	positionScript = redis.NewScript(positionSource)
	entriesScript  = redis.NewScript(entriesSource)
	vouchScript    = redis.NewScript(vouchSource)
	leaseScript    = redis.NewScript(leaseSource)
	memberScript   = redis.NewScript(memberSource)
	membersScript  = redis.NewScript(membersSource)
	reapScript     = redis.NewScript(reapSource)
	rightsScript   = redis.NewScript(rightsSource)
	notesScript    = redis.NewScript(notesSource)
)

// scriptNames are what scripts are called in the log, by their hashes.
var scriptNames = map[string]string{
	appendScript.Hash(): "append.lua", publishScript.Hash(): "publish.lua", positionScript.Hash(): "position.lua", entriesScript.Hash(): "entries.lua",
	vouchScript.Hash(): "vouch.lua", rightsScript.Hash(): "rights.lua", notesScript.Hash(): "notes.lua",
	leaseScript.Hash(): "lease.lua", memberScript.Hash(): "member.lua", membersScript.Hash(): "members.lua", reapScript.Hash(): "reap.lua",
}
