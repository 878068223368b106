package main

import (
	"fmt"
	"slices"
	"strings"
)

// rowMakers has the rows in the order in which they are done and printed. A name
// is what -only takes; in what it makes, the name is left out.
var rowMakers = []struct {
	name string
	make func(settings) row
}{
	{"steady", steady},
	{"busy", busy},
	{"history", history},
	{"channels", channels},
	{"idle", idle},
	{"growth", growth},
	{"stall", stall},
	{"churn", churn},
	{"redis", redis},
	{"recover", comeback},
	{"repair", repair},
	{"flood", flood},
	{"strangers", besieged},
	{"transports", transports},
	{"crowd", crowd},
	{"users", users},
	{"revoke", revoking},
}

// rowNames are what -only takes, in that order.
func rowNames() (names []string) {
	for _, r := range rowMakers {
		names = append(names, r.name)
	}
	return names
}

// chooseRows makes the rows that were asked for, in the order of rowMakers. An
// unknown name is an error that lists those there are.
func chooseRows(s settings) (rows []row, err error) {
	wanted := rowNames()
	if s.only != "" {
		wanted = strings.Split(s.only, ",")
	}
	for _, name := range wanted {
		if !slices.Contains(rowNames(), name) {
			return nil, fmt.Errorf("-only: %q; want some of %s", name, strings.Join(rowNames(), ", "))
		}
	}
	for _, r := range rowMakers {
		if slices.Contains(wanted, r.name) {
			row := r.make(s)
			row.name = r.name
			rows = append(rows, row)
		}
	}
	return rows, nil
}
