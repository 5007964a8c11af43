package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// Schedules that robfig/cron accepts.
var accepted = []string{
	// As people write them.
	"* * * * *", "*/5 * * * *", "*/15 * * * *", "*/30 * * * *", "0 * * * *", "30 * * * *", "0 */2 * * *", "0 */6 * * *",
	"0 */8 * * *", "0 */12 * * *", "15 */6 * * *", "0 0 * * *", "0 1 * * *", "30 2 * * *", "0 3 * * *", "45 23 * * *",
	"0 9 * * 1-5", "0 9 * * mon-fri", "0 9 * * MON-FRI", "0 22 * * 6,0", "0 22 * * sat,sun", "0 0 * * 0", "0 0 * * sun",
	"0 0 1 * *", "0 0 15 * *", "0 0 1,15 * *", "0 0 31 * *", "0 0 30 * *", "0 0 29 * *", "0 0 1 1 *", "0 0 1 jan *",
	"0 0 1 JAN,JUL *", "0 0 1 */3 *", "0 0 1 1-12/3 *", "0 9 13 * 5", "0 0 13 * 5", "0 0 13 * FRI", "0 9 1-7 * 1",
	"*/15 8-17 * * 1-5", "0,30 9-17 * * *", "0 9,12,15 * * *", "5 4 * * sun", "0 0,12 1 */2 *", "23 0-20/2 * * *",
	"0 4 8-14 * *", "10 5 * * 1-6", "59 23 31 12 *", "0 0 29 2 *", "0 0 28 2 *", "0 12 29 feb *", "0 0 1 3 *",
	"1 2 3 4 5", "1-10 2 * * *", "1-10/3 2 * * *", "10/20 * * * *", "0/20 * * * *", "5/7 1/5 * * *", "0 0 */5 * *",
	"0 0 2/2 * *", "0 0 * 2/3 *", "0 0 * * 1/2", "0 0 * * */2", "0 0 */2 * */2", "0 0 */2 * 1",
	// The star bit and the day rule.
	"0 0 *,13 * 5", "0 0 13 * *,5", "0 0 */1 * 5", "0 0 13 * */1", "0 0 1-31 * 5", "0 0 13 * 0-6", "0 0 1-31 * *",
	"0 0 * * 0-6", "0 0 */31 * 3", "0 0 ? * 5", "0 0 13 * ?", "0 0 13 ? ?", "? ? ? ? ?", "0 0 *,*/2 * 5", "0 0 */2,* * 5",
	"0 0 ?/1 * 5", "0 0 ?/2 * 5", "0 0 30 2 1", "0 0 31 2,4 1", "0 0 30 2 */1", "0 0 1-31 2 */2", "0 0 31 */2 0",
	// Accepted, and surprising.
	"*-abc * * * *", "*-5 * * * *", "*-1-2-3 * * * *", "?-x * * * *", "*-/5 * * * *", "*-1/20 * * * *", "*/70 * * * *",
	"*/60 * * * *", "*/59 * * * *", "30/40 * * * *", "0 */24 * * *", "0 */23 * * *", "0 */100 * * *", "0 0 */32 * *",
	"0 0 * */13 *", "0 0 * * */7", "1,,2 * * * *", ",1 * * * *", "1, * * * *", ",,,7,,, * * * *", "+5 * * * *",
	"+5-+7 * * * *", "*/+20 * * * *", "0005 * * * *", "000000000000000000000000000059 * * * *", "05 004 0003 02 *",
	"5,5,5 * * * *", "0-59 * * * *", "0-59/1 * * * *", "0-0 * * * *", "5-5/9 * * * *", "*/9223372036854775807 * * * *",
	"7/9223372036854775807 * * * *", "*/4294967296 * * * *", "0 0 * JaN *", "0 0 * * sUn", "0 0 * jan-mar,NOV *",
	"0 0 * * FR\u0130", "0 0 * apr-JUL/2 mon-FRI/2", "0 0 * 1-dec *", "0 0 * * sun-6",
	// Nothing ever.
	", * * * *", "* , * * *", "* * , * *", "* * * , *", "* * * * ,", ", , , , ,", "0 0 , * ,", "0 0 , * 5", "0 0 5 * ,",
	"0 0 30 2 *", "0 0 31 2 *", "0 0 30,31 2 *", "0 0 31 4 *", "0 0 31 4,6,9,11 *", "0 0 31 2,4,6,9,11 *", "0 0 30-31 2 ?",
	"0 0 31 feb *", "0 0 30 2 *,1", "0 0 31 */40 *", "0 0 31 11/2 *", "0 0 ,, * *",
	// White space.
	" 0 0 * * *", "0 0 * * * ", "\t0\t0\t*\t*\t*\t", "0  0   *    *     *", "0 0 * * *\n", "0 0 * * *\r\n", "\n0\v0\f*\r* *",
	"0\u00a00\u2003*\u3000*\u2028*", "0\u16800\u2009*\u202f*\u205f*", "0\u00850 * * *", "\u00a00 0 * * *",
	// Descriptors.
	"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly", "@every 1h", "@every 6h", "@every 24h",
	"@every 1h30m", "@every 90m", "@every 1m", "@every 1s", "@every 1500ms", "@every 1.5s", "@every 1.999999999s",
	"@every 0", "@every 0s", "@every +0", "@every -1h", "@every -0.5s", "@every 1ns", "@every 999ms", "@every 1000ms",
	"@every 1us", "@every 1\u00b5s", "@every 1\u03bcs", "@every 1h2m3s4ms5us6ns", "@every 1s1h", "@every .5h", "@every 1.h",
	"@every 0.000000001h", "@every 100000h", "@every 2562047h47m16.854775807s", "@every +5m", "@every 1h1h1h",
	"@every 3600000000000ns", "@every 0.3333333333333333333h", "@every 9223372036854775807ns", "@every -9223372036854775808ns",
	// Zones given.
	"TZ=UTC 0 6 * * *", "CRON_TZ=UTC 0 6 * * *", "TZ= 0 6 * * *", "CRON_TZ= @daily", "TZ=Local 0 6 * * *",
	"TZ=Europe/Berlin 0 6 * * *", "CRON_TZ=America/New_York 0 6 * * *", "TZ=Asia/Kathmandu 0 6 * * *",
	"TZ=Asia/Kolkata 30 5 * * *", "TZ=Etc/GMT+12 0 0 * * *", "TZ=Pacific/Kiritimati 0 0 1 * *", "TZ=Australia/Lord_Howe 0 2 * * *",
	"TZ=UTC @daily", "TZ=Europe/Berlin @monthly", "TZ=Europe/Berlin @every 1h", "TZ=UTC   0 6 * * *", "TZ=UTC \t0 6 * * * ",
	"TZ=UTC @daily ", "TZ=UTC  @hourly\u00a0", "TZ=Europe//Berlin 0 6 * * *", "TZ=./UTC 0 6 * * *", "TZ=Europe/./Berlin @weekly",
	"CRON_TZ=Africa/Cairo 0 0 * * 5", "TZ=America/Santiago 0 0 * * 0", "TZ=America/St_Johns 1 0 * * *", "TZ=Asia/Tehran 0 0 1 * *",
}

// Moments with no clock change near, in UTC: a start of month, inside of a
// minute, the end of a leap year's February, the end of a year, and the years
// around 2100, which has no 29 February.
var plainStarts = []string{"2026-11-21T03:17:42Z", "2024-02-28T23:59:59Z", "2025-12-31T23:59:00Z", "2096-03-01T00:00:00Z"}

// Where clocks change (local midnights, half hours, repeated and missing hours).
var edges = []struct {
	zone   string
	starts []string
}{
	{"America/New_York", []string{"2026-03-07T12:00:00Z", "2026-03-08T06:59:59Z", "2026-10-31T20:00:00Z", "2026-11-01T05:30:30Z", "2026-11-01T06:10:00Z"}},
	{"Europe/Berlin", []string{"2026-03-28T12:00:00Z", "2026-03-29T00:59:30Z", "2025-10-25T22:00:00Z", "2025-10-26T00:30:30Z", "2025-10-26T01:10:00Z"}},
	{"Europe/Dublin", []string{"2025-03-29T20:00:00Z", "2025-10-25T23:30:00Z", "2025-10-26T00:45:15Z"}},
	{"America/Santiago", []string{"2025-09-05T12:00:00Z", "2025-09-07T03:30:00Z", "2025-09-07T04:00:00Z", "2025-04-05T12:00:00Z", "2025-04-06T02:59:59Z", "2025-04-06T03:20:00Z"}},
	{"Africa/Cairo", []string{"2025-04-23T12:00:00Z", "2025-04-24T21:59:59Z", "2025-04-24T22:00:00Z", "2025-10-30T12:00:00Z", "2025-10-30T20:30:30Z", "2025-10-30T21:30:00Z"}},
	{"Australia/Lord_Howe", []string{"2025-10-03T12:00:00Z", "2025-10-04T15:15:15Z", "2025-10-04T15:30:00Z", "2025-04-05T10:00:00Z", "2025-04-05T14:45:00Z", "2025-04-05T15:10:00Z"}},
	{"America/Sao_Paulo", []string{"2018-11-02T12:00:00Z", "2018-11-04T02:59:59Z", "2018-11-04T03:00:00Z", "2018-02-17T12:00:00Z", "2018-02-18T01:30:30Z"}},
	{"Asia/Kathmandu", []string{"2025-12-31T18:14:59Z", "2025-12-31T18:15:00Z"}},
	{"Asia/Beirut", []string{"2022-03-26T12:00:00Z", "2022-03-26T21:59:00Z", "2022-10-29T20:30:00Z"}},
	{"America/Havana", []string{"2024-03-09T12:00:00Z", "2024-03-10T04:59:59Z", "2024-11-03T04:30:00Z"}},
	{"Antarctica/Troll", []string{"2024-03-30T12:00:00Z", "2024-10-26T22:00:00Z", "2024-10-27T00:30:00Z"}},
	{"Europe/London", []string{"2039-03-26T12:00:00Z", "2039-10-29T22:00:00Z"}},
	{"Pacific/Chatham", []string{"2024-09-28T12:00:00Z", "2024-04-06T12:00:00Z"}},
}

var edgeSchedules = []string{
	"* * * * *", "*/15 * * * *", "0 * * * *", "30 * * * *", "15,45 * * * *", "0 0 * * *", "30 0 * * *", "0 1 * * *", "30 1 * * *",
	"0 2 * * *", "15 2 * * *", "30 2 * * *", "0 3 * * *", "0 23 * * *", "59 23 * * *", "30 23 * * 6", "0 0 * * 0", "0 1 * * 6",
	"0 0 1 * *", "0 */2 * * *", "0 */6 * * *", "45 1-3 * * *", "0 0 7 9 *", "0 0 25 4 *", "0 5 * * *", "30 1,2 * * *", "30 2,3 * * *",
	"0 1-3 * * *", "* 2 * * *", "15 0 * * *",
}

// What go-cron reads differently, or has limits for, and what stands close by.
var disputed = []string{
	"0 9 * * 7", "0 9 * * 0-7", "0 9 * * 1-7", "0 9 * * 5-7", "0 9 * * 7,1", "0 9 * * sun-7", "0 9 * * 7-7", "0 9 * * 7-1", "0 9 * * 8",
	"0 9 * * fri-mon", "0 9 * * FRI-Mon/2", "0 9 * * sat-sun", "0 9 * * 6-0", "0 9 * * 5-1/3", "0 9 * * */7", "0 9 * * */8", "0 9 * * 1/2",
	"0 9 * * 1/3", "0 9 * * 7/1", "0 9 * * 6/2", "0 9 * * 0-7/7", "0 9 * * *,7", "0 22-2 * * *", "0 22-6/2 * * *", "0 23-0 * * *",
	"50-10 * * * *", "50-10/5 * * * *", "59-58 * * * *", "59-58/59 * * * *", "59-58/60 * * * *", "0 0 31-1 * *", "0 0 25-5/3 * *",
	"0 0 1 nov-feb *", "0 0 1 dec-jan *", "0 0 1 11-2/2 *", "60/5 * * * *", "61/5 * * * *", "99/5 * * * *", "119/1 * * * *", "120/5 * * * *",
	"121/5 * * * *", "200/5 * * * *", "60-5 * * * *", "100-50 * * * *", "120-59 * * * *", "200-5 * * * *", "9223372036854775807-5 * * * *",
	"9223372036854775807/5 * * * *", "200/9223372036854775807 * * * *", "60/9223372036854775807 * * * *", "0 24/2 * * *", "0 0 32/2 * *",
	"0 0 1 13/2 *", "0 9 * * 8/2", "0 9 * * 8-1", "60 * * * *", "60-60 * * * *",
	"*/70 * * * *", "*/60 * * * *", "*/59 * * * *", "30/30 * * * *", "30/29 * * * *", "1-31/40 * * * *", "1-31/31 * * * *", "1-31/30 * * * *",
	"0 */24 * * *", "0 */23 * * *", "0 0 */31 * *", "0 0 */30 * *", "0 0 1 */12 *", "0 0 1 */11 *", "5-5/1 * * * *", "5-5/2 * * * *",
	"*-5/60 * * * *", "?/60 * * * *", "7/9223372036854775807 * * * *",
	"@every 999ms", "@every 1s", "@every 0", "@every -1h", "@every 1ns", "@every 1.9s", "TZ=UTC @every 500ms", "@every ", "@every x",
	"0 0 13 * 5", "0 0 13 * FRI", "0 9 1-7 * 1", "0 0 29 2 1", "0 0 29 2 2", "0 0 29 feb tue", "0 0 13 2 5", "0 0 31 * 5", "0 0 30 2 1",
	"0 0 31 2,4 1", "0 0 1-31 * 5", "0 0 13 * 0-6", "0 0 13 * */1", "0 0 13 * */2", "0 0 *,13 * 5", "0 0 25-31 * fri", "0 0 31-1 * mon",
	"TZ=\"UTC\" 0 6 * * *", "TZ='UTC' 0 6 * * *", "CRON_TZ=\"Europe/Berlin\" 30 2 * * *", "TZ=\"Local\" 0 6 * * *", "TZ=\"UTC' 0 6 * * *",
	"TZ=\" 0 6 * * *", "TZ=\"\" 0 6 * * *", "TZ='' 0 6 * * *", "TZ=\"UTC 0 6 * * *", "TZ=\"Nowhere/Else\" @daily", "TZ=\"UTC\"",
	"TZ=UTC", "TZ=UTC ", "CRON_TZ=Europe/Berlin \t", "TZ=\"UTC\" ", "TZ= 0 6 * * *", "TZ=  0 6 * * *", "CRON_TZ= @daily", "TZ=Local ",
	"TZ=Europe/./Berlin @daily", "TZ=Europe:Berlin @daily", "TZ=M\u00fcnchen @daily", "TZ=a\xff @daily", "TZ=a\\b @daily", "TZ=a'b @daily",
	"TZ=\tUTC @daily", "TZ=/UTC @daily", "TZ=" + strings.Repeat("A", 64) + " @daily", "TZ=" + strings.Repeat("A", 65) + " @daily",
	"@triggered", "@manual", "@none", "TZ=UTC @triggered", "TZ=UTC @none ", "@none ", "@Triggered", " @manual",
	"H * * * *", "H/5 * * * *", "0 H(1-5) * * *", "0 0 * * THU", "0 0 * * H", "0 0 * * thu,H", "0 0 x * H", "H * * *", "0 0 L * *", "0 0 l * *",
	"0 0 15W * *", "0 0 LW * *", "0 0 L-3 * *", "0 0 1,L * *", "0 0 jul * *", "0 0 0 0 L", "0 0 L 0 *", "0 0 32 0 *", "0 0 32 13 8", "60 0 L x *",
	"0 0 * * fri#3", "0 0 * * 5#L", "0 0 * * mon,fri#3", "0 0 x * 5#2", "# * * * *", "0 0 * * L", "0 0 * * 5L", "1-2-3/4 * * * *", "a-2-3/4 * * * *",
	strings.Repeat("0", 1016) + " * * * *", strings.Repeat("0", 1017) + " * * * *", strings.Repeat(" ", 1020) + "* * * * *",
	"0 6 * * *" + strings.Repeat(" ", 1015), "0 6 * * *" + strings.Repeat(" ", 1016), strings.Repeat("x", 1025),
}

// One of each way to be refused by robfig/cron, in many spellings.
var refused = []string{
	"", " ", "\t\n", "*", "* *", "* * *", "* * * *", "* * * * * *", "0 0 12 * * ?", "0 0 12 * * ? 2026", "1 2 3 4 5 6 7 8", "daily", "6h",
	"a", "\x00", "\xff\xfe", " @daily", "tz=UTC 0 0 * * *", " TZ=UTC 0 0 * * *", "TZ=UTC 0 0 * *", "TZ=UTC ", "TZ=UTC \u00a0",
	"0 0 1, 15 * *", "0 9 * * 1 - 5", "\"0 0 * * *\"",
	"TZ=", "TZ=UTC", "CRON_TZ=", "CRON_TZ=Europe/Berlin", "TZ=UTC\t0 0 * * *x", "TZ=0\u00a00\u00a0*\u00a0*\u00a0*", "TZ=\x00",
	"TZ=Nowhere/Else 0 0 * * *", "TZ=europe/berlin 0 0 * * *", "TZ=utc 0 0 * * *", "TZ=local 0 0 * * *", "TZ=CEST @daily",
	"TZ=UTC+2 @daily", "TZ=+02:00 @daily", "TZ=/etc/localtime @daily", "TZ=\\UTC @daily", "TZ=../UTC @daily", "TZ=a..b @daily",
	"TZ=Europe @daily", "TZ=. @daily", "TZ=UTC/x @daily", "TZ=UTC/ @daily", "TZ=zone.tab @daily", "TZ=UTC\t @daily", "TZ=\t @daily",
	"TZ=\u00a0UTC @daily", "CRON_TZ=Mars/Olympus_Mons * * *",
	"@", "@Hourly", "@DAILY", "@daily ", "@daily\n", "@reboot", "@every", "@every1h", "@Every 1h", "@every\t1h", "@weekly x", "@fortnightly",
	"@@daily", "TZ=UTC @Daily", "@\u00fcber",
	"@every ", "@every  1h", "@every 1d", "@every 1w", "@every 5", "@every h", "@every 1h ", "@every 1H", "@every 5 minutes", "@every 5min",
	"@every 1h 30m", "@every .", "@every .h", "@every -", "@every +", "@every --1h", "@every 1..5h", "@every 1e3s", "@every 1h-5m",
	"@every 9223372036854775808ns", "@every 2562048h", "@every 9999999999999999999h", "@every 3000000h", "@every 1_000s", "@every \u0661h",
	"@every 1y2h", "TZ=UTC @every x ",
	"a * * * *", "5x * * * *", "x5 * * * *", "1.5 * * * *", "0x10 * * * *", "1_0 * * * *", "\uff15 * * * *", "* * L * *", "* * 15W * *",
	"* * * * 5#2", "* * * * 5L", "H * * * *", "H(0-29) * * * *", "** * * * *", "*5 * * * *", "5* * * * *", "+ * * * *", "++5 * * * *",
	"+-5 * * * *", "~ * * * *", "9:30 * * * *", "* * * jann *", "* * * january *", "* * * * monday", "* * * * su", "* * * * s\u00fcn",
	"* * * mon *", "* * * * jan", "jan * * * *", "* * mon * *", "* mon * * *", "\xff * * * *", "5\x00 * * * *", "' * * * *", "a\"b\\c * * * *",
	"\a * * * *", "* * * * 1\u20135", "-5 * * * *", "- * * * *", "5- * * * *", "-- * * * *", "1-b * * * *", "*/ * * * *", "*/a * * * *",
	"*/* * * * *", "*/-a * * * *", "5/ * * * *", "/5 * * * *", "/ * * * *", "*/jan * * * *", "* * * */feb *", "* * * * 1-5/mon",
	"9223372036854775808 * * * *", "99999999999999999999 * * * *", "99999999999999999999x * * * *", "18446744073709551615x * * * *",
	"*/9223372036854775808 * * * *", "+9223372036854775808 * * * *", "*/-9223372036854775809 * * * *",
	"*/-1 * * * *", "*/-5 * * * *", "5/-15 * * * *", "* * * * */-9223372036854775808", "0-5/-1 * * * *",
	"1-2-3 * * * *", "1-2-3/4 * * * *", "1-x-3 * * * *", "x-2-3 * * * *", "1-- * * * *", "* * * * mon-wed-fri", "* * 2026-01-01 * *",
	"*/1/2 * * * *", "1/2/3 * * * *", "1-5/2/ * * * *", "*// * * * *", "60/1/1 * * * *", "5-1/a/b * * * *",
	"* * 0 * *", "* * * 0 *", "* * 0-5 * *", "* * 0/5 * *", "* * * 0-12 *", "* * 00 * *", "* * -0 * *", "* * * +0 *",
	"60 * * * *", "* 24 * * *", "* * 32 * *", "* * * 13 *", "* * * * 7", "0 9 * * 7", "* * * * 1-7", "* * * * 5-7", "* * * * sun-7",
	"50-60 * * * *", "0-99 * * * *", "0-60/5 * * * *", "9223372036854775807 * * * *", "* 25-30 * * *", "* * * jan-13 *", "* * * * 7,1",
	"* * * * 1,2,7", "100-50 * * * *",
	"5-1 * * * *", "* 22-6 * * *", "* * 31-1 * *", "* * * dec-jan *", "* * * * fri-mon", "* * * * FRI-Mon", "* * * * 6-0", "60/5 * * * *",
	"* 24/2 * * *", "* * * * 7/1", "* * * 13/2 *", "* 22-6/2 * * *", "* * * * sat-sun", "99/9223372036854775807 * * * *",
	"*/0 * * * *", "*/00 * * * *", "*/+0 * * * *", "*/-0 * * * *", "5/0 * * * *", "1-5/0 * * * *", "* * * * */0", "?/0 * * * *",
	"60 24 32 13 7", "* 24 32 13 7", "* * 32 13 7", "* * * 13 7", "a b c d e", "0 0 0 0 0", "1,2,x * * * *", "*,60 * * * *", "60,x * * * *",
}

func moment(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		fail("%v", err)
	}
	return at
}

// write notes a row for what the library makes of a schedule.
func write(l library, out *bufio.Writer, spec, zone, start string) {
	schedule, err := l.parse(spec)
	if err != nil {
		writeError(out, spec, err)
		return
	}
	writeRuns(out, spec, zone, schedule, moment(start))
}

func writeHead(out *bufio.Writer, l library) {
	fmt.Fprintf(out, "# Answers of %s, written by hack/cron/run.sh. Bytes outside of ASCII are \\xNN.\n", l.version)
	fmt.Fprint(out, "# error SCHEDULE TEXT | next SCHEDULE ZONE-OF-THE-CONTROLLER START SECONDS-TO-EACH-NEXT-RUN (- where it gives up)\n")
}

// table writes the answers that the unit tests expect. A schedule is asked at every
// start, unless the library refuses it.
func table(l library, to io.Writer) {
	out := bufio.NewWriter(to)
	defer out.Flush()
	writeHead(out, l)
	for _, specs := range [][]string{refused, accepted, disputed} {
		for _, spec := range specs {
			starts := plainStarts
			if _, err := l.parse(spec); err != nil {
				starts = starts[:1]
			}
			for _, start := range starts {
				write(l, out, spec, "UTC", start)
			}
		}
	}
	for _, edge := range edges {
		for _, start := range edge.starts {
			for _, spec := range edgeSchedules {
				write(l, out, spec, edge.zone, start)
			}
		}
	}
}
