// Command cron asks the real libraries inside kcm and Velero, robfig/cron v3.0.1
// and netresearch/go-cron v0.15.0, what they make of schedules: it writes the
// tables that the unit tests check (table), random tables of the same form
// (random), and compares the binary's explain command with a library (diff). See run.sh.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	gocron "github.com/netresearch/go-cron"
	robfig "github.com/robfig/cron/v3"
)

const runsPerRow = 5

type schedule interface{ Next(time.Time) time.Time }

// library is what one of the controllers parses schedules with.
type library struct {
	name, version, reader string // reader: what explain --for calls it
	parseStandard         func(string) (schedule, error)
}

var libraries = []library{
	{"robfig", "robfig/cron v3.0.1", "kcm",
		func(spec string) (schedule, error) { return robfig.ParseStandard(spec) }},
	{"go-cron", "netresearch/go-cron v0.15.0", "velero@1.18.3",
		func(spec string) (schedule, error) { return gocron.ParseStandard(spec) }},
}

func libraryNamed(name string) library {
	for _, l := range libraries {
		if l.name == name {
			return l
		}
	}
	fail("there is no library %s", name)
	return library{}
}

// parse is ParseStandard with a panic turned into an error.
func (l library) parse(spec string) (parsed schedule, err error) {
	defer func() {
		if p := recover(); p != nil {
			parsed, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	return l.parseStandard(spec)
}

// runs gives the next n runs after from; fewer where the library gives up.
func runs(schedule schedule, from time.Time, n int) []time.Time {
	var next []time.Time
	for at := from; len(next) < n; next = append(next, at) {
		if at = schedule.Next(at); at.IsZero() {
			break
		}
	}
	return next
}

// fires tells whether a schedule ever runs: asked again every four years, since
// the library looks only five years ahead. Within 40 a 29 February has been any day of the week.
func fires(schedule schedule, from time.Time) bool {
	for years := 0; years <= 44; years += 4 {
		if !schedule.Next(from.AddDate(years, 0, 0)).IsZero() {
			return true
		}
	}
	return false
}

func load(zone string) *time.Location {
	location, err := time.LoadLocation(zone)
	if err != nil {
		fail("zone %s: %v", zone, err)
	}
	return location
}

// escape keeps a schedule on one line of the table, in one column.
func escape(text string) string {
	var out strings.Builder
	for _, c := range []byte(text) {
		if c < 0x20 || c >= 0x7f || c == '\\' {
			fmt.Fprintf(&out, "\\x%02x", c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

func writeError(out *bufio.Writer, spec string, err error) {
	fmt.Fprintf(out, "error\t%s\t%s\n", escape(spec), escape(err.Error()))
}

// writeRuns notes each run as seconds after the one before.
func writeRuns(out *bufio.Writer, spec, zone string, schedule schedule, from time.Time) {
	fmt.Fprintf(out, "next\t%s\t%s\t%s\t", escape(spec), zone, from.UTC().Format(time.RFC3339))
	next := runs(schedule, from.In(load(zone)), runsPerRow)
	before := from
	for i, at := range next {
		if i > 0 {
			out.WriteByte(' ')
		}
		fmt.Fprintf(out, "%d", at.Unix()-before.Unix())
		before = at
	}
	if len(next) < runsPerRow {
		if len(next) > 0 {
			out.WriteByte(' ')
		}
		out.WriteByte('-')
	}
	out.WriteByte('\n')
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "cron: "+format+"\n", args...)
	os.Exit(1)
}

func number(args []string, i int, otherwise int64) int64 {
	if i >= len(args) {
		return otherwise
	}
	value, err := strconv.ParseInt(args[i], 10, 64)
	if err != nil {
		fail("%s is no number", args[i])
	}
	return value
}

func main() {
	args := os.Args[1:]
	switch {
	case len(args) == 2 && args[0] == "table":
		table(libraryNamed(args[1]), os.Stdout)
	case len(args) >= 2 && len(args) <= 4 && args[0] == "random":
		random(libraryNamed(args[1]), os.Stdout, int(number(args, 2, 20000)), number(args, 3, 1))
	case len(args) >= 3 && len(args) <= 5 && args[0] == "diff":
		diff(libraryNamed(args[1]), args[2], int(number(args, 3, 60000)), number(args, 4, 1))
	default:
		fail("usage: table LIBRARY | random LIBRARY [COUNT [SEED]] | diff LIBRARY BINARY [COUNT [SEED]]")
	}
}
