package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"strings"
	"time"
)

// Zones whose clocks change in different ways: at midnight, by half an hour, at
// odd offsets, against the sun, by a rule far in the future, or never.
var zones = []string{
	"UTC", "America/New_York", "Europe/Berlin", "Europe/Dublin", "Europe/London", "America/Santiago", "Africa/Cairo",
	"Australia/Lord_Howe", "Australia/Sydney", "Asia/Kathmandu", "America/Sao_Paulo", "Asia/Tehran", "Asia/Beirut",
	"Africa/Casablanca", "America/Havana", "America/Asuncion", "America/St_Johns", "Pacific/Chatham", "Asia/Gaza",
	"Antarctica/Troll", "America/Nuuk", "Asia/Kolkata", "Etc/GMT+12", "Pacific/Kiritimati", "Africa/Monrovia", "America/Tijuana",
}

// A start somewhere in 2012 to 2105, half of the time close to a clock change.
func randomStart(r *rand.Rand, zone *time.Location) time.Time {
	at := time.Unix(1325376000+r.Int63n(93*365*86400), 0).In(zone)
	if r.Intn(2) == 0 {
		return at
	}
	_, offset := at.Zone()
	for day := 0; day < 366; day++ {
		at = at.Add(24 * time.Hour)
		if _, now := at.Zone(); now != offset {
			return at.Add(-time.Duration(r.Intn(3*86400)) * time.Second)
		}
	}
	return at
}

type generator struct{ *rand.Rand }

func (g generator) pick(from ...string) string { return from[g.Intn(len(from))] }

var bounds = [5][2]int{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}}
var names = [5][]string{3: {"jan", "FEB", "Mar", "apr", "may", "jun", "jul", "aug", "SEP", "oct", "nov", "dec"},
	4: {"sun", "MON", "Tue", "wed", "thu", "Fri", "sat", "Sun"}}

func (g generator) value(field int) string {
	low, high := bounds[field][0], bounds[field][1]
	value := low + g.Intn(high-low+1)
	switch n := g.Intn(100); {
	case n < 1:
		value = g.Intn(100)
	case n < 2:
		return g.pick("", "L", "w", "H", "5#2", "1.5", "+3", "-1", "007", "0x5", "1_0", "９", "9223372036854775808",
			"99999999999999999999x", "*", "?", "JANUARY", "MoN", "FRİ", "fri", "feb", "2147483648", "LW", "15W", "L-3", "H/5", "H(1-5)", "fri#L", "jul")
	case n < 30 && names[field] != nil:
		return names[field][value-low]
	}
	return fmt.Sprint(value)
}

func (g generator) item(field int) string {
	step := ""
	if g.Intn(5) == 0 {
		step = "/" + fmt.Sprint(g.Intn(20))
		if g.Intn(20) == 0 {
			step = g.pick("/", "/-1", "/a", "/5/5", "/100", "/+2", "/9223372036854775807", "/jan")
		}
	}
	switch n := g.Intn(100); {
	case n < 28:
		return "*" + step
	case n < 30:
		return fmt.Sprint(60+g.Intn(100)) + g.pick("-", "/", "-") + g.value(field) + step
	case n < 33:
		return g.pick("?", "*-5", "*-abc", "?-1-2", "**", "", " ", "1-2-3", "1-", "-", "/", "*-1/2") + step
	case n < 55:
		low, high := bounds[field][0], bounds[field][1]
		a := low + g.Intn(high-low+1)
		b := a + g.Intn(high-a+1)
		return fmt.Sprintf("%d-%d%s", a, b, step)
	case n < 64:
		return g.value(field) + "-" + g.value(field) + step
	}
	return g.value(field) + step
}

func (g generator) field(index int) string {
	if g.Intn(4) == 0 {
		return "*"
	}
	items := []string{g.item(index)}
	for g.Intn(3) == 0 {
		items = append(items, g.item(index))
	}
	return strings.Join(items, ",")
}

func (g generator) duration() string {
	var out strings.Builder
	out.WriteString(g.pick("", "", "", "", "+", "-"))
	for n := 1 + g.Intn(3); n > 0; n-- {
		out.WriteString(g.pick("1", "5", "24", "90", "0", "1.5", ".25", "3000", "", ".", "0.0000000001", "9223372036"))
		out.WriteString(g.pick("h", "m", "s", "ms", "us", "µs", "ns", "d", "w", "", "H"))
	}
	return out.String()
}

func (g generator) body() string {
	switch n := g.Intn(100); {
	case n < 4:
		return "@every" + g.pick(" ", " ", " ", " ", " ", "  ", "", "\t") + g.duration() + g.pick("", "", "", "", "", " ")
	case n < 8:
		return g.pick("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly", "@Hourly", "@daily ",
			"@", "@reboot", " @daily", "@every", "daily", "@triggered", "@manual", "@none", "@none ")
	}
	count := 5
	if g.Intn(40) == 0 {
		count = g.Intn(8)
	}
	var out strings.Builder
	for i := 0; i < count; i++ {
		if i > 0 {
			out.WriteString(g.pick(" ", " ", " ", " ", " ", " ", " ", " ", "  ", "\t", "\u00a0", "\u2003", "\v", "\u0085"))
		}
		out.WriteString(g.field(i % 5))
	}
	return out.String()
}

// One schedule: mostly sound, sometimes with a zone, sometimes damaged.
func (g generator) spec() string {
	spec := g.body()
	if g.Intn(6) == 0 {
		zone := zones[g.Intn(len(zones))]
		if g.Intn(8) == 0 {
			zone = g.pick("", "Local", "Nowhere", "utc", "America", "../UTC", "/UTC", "\\UTC", "UTC/x", "zone.tab", "UTC\t",
				"Europe//Berlin", "./UTC", "Europe/Berlin/", "europe/berlin", "EST", "a..b", strings.Repeat("x", 300),
				"Europe:Berlin", strings.Repeat("A/", 32), "UTC\u00a0", "\"UTC'", "\"", "''", "M\u00fcnchen")
		}
		if g.Intn(6) == 0 {
			quote := g.pick("\"", "'")
			zone = quote + zone + quote
		}
		spec = g.pick("TZ=", "CRON_TZ=", "TZ=", "CRON_TZ=", "tz=", " TZ=") + zone + g.pick(" ", " ", " ", " ", "  ", "", "\t ") + spec
	}
	if g.Intn(400) == 0 {
		spec += strings.Repeat(g.pick(" ", ",1", "x"), 1000+g.Intn(100)-len(spec)%50)
	}
	for g.Intn(25) == 0 && len(spec) > 0 {
		at := g.Intn(len(spec))
		switch g.Intn(3) {
		case 0:
			spec = spec[:at] + spec[at+1:]
		case 1:
			spec = spec[:at] + string([]byte{byte(g.Intn(256))}) + spec[at:]
		case 2:
			spec = spec[:at] + g.pick(" ", ",", "-", "/", "*", "?", "7", "\x00", "\xff", "\u00a0", "\r") + spec[at+1:]
		}
	}
	return spec
}

// random writes a table of generated schedules, for the same unit test.
func random(l library, to io.Writer, count int, seed int64) {
	out := bufio.NewWriter(to)
	defer out.Flush()
	writeHead(out, l)
	g := generator{rand.New(rand.NewSource(seed))}
	for i := 0; i < count; i++ {
		spec := g.spec()
		schedule, err := l.parse(spec)
		if err != nil {
			writeError(out, spec, err)
			continue
		}
		zone := zones[g.Intn(len(zones))]
		writeRuns(out, spec, zone, schedule, randomStart(g.Rand, load(zone)))
	}
}
