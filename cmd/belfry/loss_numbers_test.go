package main

import (
	"regexp"
	"strconv"
)

// hubNumbers are what nodes say of themselves when they stop.
type hubNumbers struct{ nodes, repaired, lost, reads, evicted int }

var stoppedLine = regexp.MustCompile(`msg=stopped repaired=(\d+) lost=(\d+) reads=(\d+) evicted=(\d+)`)

// read adds the numbers that stand in a log.
func (n *hubNumbers) read(log string) {
	found := stoppedLine.FindStringSubmatch(log)
	if found == nil {
		return
	}
	n.nodes++
	for i, sum := range []*int{&n.repaired, &n.lost, &n.reads, &n.evicted} {
		number, _ := strconv.Atoi(found[i+1]) // digits
		*sum += number
	}
}
