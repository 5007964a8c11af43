package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	batchSize   = 500
	warningMax  = 200
	meaningMax  = 160
	mismatchMax = 20
)

// What the explain command prints for one schedule.
type explained struct {
	Valid      bool     `json:"valid"`
	Error      string   `json:"error"`
	Upstream   string   `json:"upstream"`
	Position   *int     `json:"position"`
	Zone       string   `json:"zone"`
	Meaning    string   `json:"meaning"`
	NeverFires *bool    `json:"neverFires"`
	Next       []string `json:"next"`
	Warnings   []string `json:"warnings"`
}

func explain(l library, binary, zone string, from time.Time, specs []string) []explained {
	command := exec.Command(binary, "explain", "--for", l.reader, "-o", "json", "-n", fmt.Sprint(runsPerRow),
		"--from", from.UTC().Format(time.RFC3339), "--tz", zone, "-f", "-")
	command.Stdin = strings.NewReader(strings.Join(specs, "\n") + "\n")
	command.Stderr = os.Stderr
	output, err := command.Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		fail("%s explain: %v", binary, err)
	}
	var answers []explained
	decoder := json.NewDecoder(bytes.NewReader(output))
	for decoder.More() {
		var answer explained
		if err := decoder.Decode(&answer); err != nil {
			fail("%s explain printed no JSON: %v", binary, err)
		}
		answers = append(answers, answer)
	}
	if len(answers) != len(specs) {
		fail("%s explain answered %d of %d schedules", binary, len(answers), len(specs))
	}
	return answers
}

func compareTexts(answer explained) string {
	seen := map[string]bool{}
	for _, warning := range answer.Warnings {
		if len(warning) == 0 || len(warning) > warningMax || seen[warning] {
			return fmt.Sprintf("warning empty, too long or repeated: %q", warning)
		}
		seen[warning] = true
	}
	if len(answer.Meaning) == 0 || len(answer.Meaning) > meaningMax {
		return fmt.Sprintf("meaning empty or too long: %q", answer.Meaning)
	}
	return ""
}

// The binary's text is cut, ends at a NUL, and escapes a DEL in a duration, which Go shows as
// it is. JSON has no bytes that are no UTF-8.
func sameError(spec, ours, theirs string) bool {
	const whole = 1000
	if !utf8.ValidString(spec) || strings.ContainsAny(spec, "\x00\x7f") {
		return ours != ""
	}
	return ours == theirs || (len(theirs) > whole && len(ours) > whole && strings.HasPrefix(theirs, ours[:whole]))
}

// compare says how an answer differs from the library's; "" when it does not.
func compare(l library, spec string, answer explained, from time.Time) string {
	schedule, err := l.parse(spec)
	if answer.Valid != (err == nil) {
		return fmt.Sprintf("valid %v (%s), library says %v", answer.Valid, answer.Error, err)
	}
	if err != nil {
		if answer.Error == "" || answer.Position == nil || *answer.Position < 0 || *answer.Position > len(spec) {
			return "refused without a reason or a position inside of the schedule"
		}
		if !sameError(spec, answer.Upstream, err.Error()) {
			return fmt.Sprintf("error %q, library says %q", answer.Upstream, err.Error())
		}
		return ""
	}
	var next []time.Time
	for _, text := range answer.Next {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return err.Error()
		}
		next = append(next, at)
	}
	expected := runs(schedule, from, runsPerRow)
	same := len(next) == len(expected)
	for i := 0; same && i < len(next); i++ {
		same = next[i].Equal(expected[i])
	}
	if !same {
		return fmt.Sprintf("next %v, library says %v", next, expected)
	}
	if answer.NeverFires == nil || *answer.NeverFires == (len(next) > 0 || fires(schedule, from)) {
		return "neverFires is wrong"
	}
	return compareTexts(answer)
}

// diff compares `count` generated schedules, and exits with 1 when one differs.
func diff(l library, binary string, count int, seed int64) {
	g := generator{rand.New(rand.NewSource(seed))}
	mismatches, valid := 0, 0
	for done := 0; done < count; done += batchSize {
		zone := zones[g.Intn(len(zones))]
		from := randomStart(g.Rand, load(zone))
		var specs []string
		for len(specs) < batchSize {
			if spec := g.spec(); !strings.Contains(spec, "\n") {
				specs = append(specs, spec)
			}
		}
		for i, answer := range explain(l, binary, zone, from, specs) {
			if answer.Valid {
				valid++
			}
			if problem := compare(l, specs[i], answer, from); problem != "" {
				mismatches++
				fmt.Printf("MISMATCH %.200q from %s in %s:\n  %.400s\n", specs[i], from.Format(time.RFC3339), zone, problem)
			}
			if mismatches >= mismatchMax {
				fail("stopped after %d mismatches (seed %d)", mismatches, seed)
			}
		}
	}
	fmt.Printf("seed %d: %d schedules compared with %s (%d valid), %d mismatches\n", seed, count, l.version, valid, mismatches)
	if mismatches > 0 {
		os.Exit(1)
	}
}
