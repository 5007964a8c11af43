#!/usr/bin/env bash
# The explain command as other programs and people call it: explain.sh BINARY
set -u
binary=${1:?usage: explain.sh BINARY}
from=(--from 2026-11-21T03:14:00Z)
failed=0
unset "${!BACKSTOP_@}"

# check BEHAVIOUR EXPECTED-EXIT EXPECTED-OUTPUT ACTUAL-EXIT ACTUAL-OUTPUT
check() {
  if [ "$2" = "$4" ] && [ "$3" = "$5" ]; then
    echo "ok - $1"
  else
    echo "FAIL - $1"
    printf '  expected exit %s:\n%s\n  got exit %s:\n%s\n' "$2" "$3" "$4" "$5"
    failed=1
  fi
}
explain() { out=$("$binary" explain "$@" 2>&1); code=$?; }

explain -o json "${from[@]}" -n 2 '0 */6 * * *'
check "a valid schedule in JSON" 0 '{"schedule":"0 */6 * * *","valid":true,"zone":"UTC","meaning":"every 6 hours","neverFires":false,"next":["2026-11-21T06:00:00Z","2026-11-21T12:00:00Z"],"warnings":[]}' "$code" "$out"

explain -o json '0 24 * * *'
check "an invalid one, with the byte where the mistake stands and the library's own words" 1 '{"schedule":"0 24 * * *","valid":false,"error":"hour 24 is out of range; use 0 to 23; midnight is 0","position":2,"upstream":"end of range (24) above maximum (23): 24"}' "$code" "$out"

explain -o json "${from[@]}" -n 1 '0 9 * * 7'
check "one that kcm refuses and Velero takes" 1 '{"schedule":"0 9 * * 7","for":"kcm, and Velero before 1.18.3","valid":false,"error":"day-of-week 7 is out of range; for Sunday use 0 or sun","position":8,"upstream":"end of range (7) above maximum (6): 7","otherwise":{"for":"Velero 1.18.3 and later","valid":true,"zone":"UTC","meaning":"at 09:00 on Sundays","neverFires":false,"next":["2026-11-22T09:00:00Z"],"warnings":[]}}' "$code" "$out"
explain -o json "${from[@]}" -n 1 --for velero@1.18.3 '0 9 * * 7'
check "for the one that takes it" 0 '{"schedule":"0 9 * * 7","valid":true,"zone":"UTC","meaning":"at 09:00 on Sundays","neverFires":false,"next":["2026-11-22T09:00:00Z"],"warnings":[]}' "$code" "$out"
for reader in kcm velero@1.18.2 velero@v1.17.1; do
  explain -o json --for "$reader" '0 9 * * 7'
  check "for $reader, which does not" 1 '{"schedule":"0 9 * * 7","valid":false,"error":"day-of-week 7 is out of range; for Sunday use 0 or sun","position":8,"upstream":"end of range (7) above maximum (6): 7"}' "$code" "$out"
done

explain -o json "${from[@]}" -n 1 --tz Europe/Berlin '0 6 * * *' 'TZ=Asia/Kathmandu 0 6 * * *'
check "offsets: the controller's zone, and one that the schedule gives" 0 '{"schedule":"0 6 * * *","valid":true,"zone":"Europe/Berlin","meaning":"at 06:00 every day","neverFires":false,"next":["2026-11-21T06:00:00+01:00"],"warnings":[]}
{"schedule":"TZ=Asia/Kathmandu 0 6 * * *","valid":true,"zone":"Asia/Kathmandu","meaning":"at 06:00 every day","neverFires":false,"next":["2026-11-22T06:00:00+05:45"],"warnings":[]}' "$code" "$out"

explain -o json "${from[@]}" '0 0 30 2 *'
check "one that never fires can be parsed, and is no good" 1 '{"schedule":"0 0 30 2 *","valid":true,"zone":"UTC","meaning":"never","neverFires":true,"next":[],"warnings":["never runs; kcm and Velero treat it as always due and start backups back to back"]}' "$code" "$out"

out=$(printf '@daily \n\n@weekly' | "$binary" explain -o json --now 2026-11-21T03:14:00Z -n 0 -f - 2>&1)
check "lines are taken verbatim: white space counts, an empty line is a schedule" 1 '{"schedule":"@daily ","valid":false,"error":"remove the white space after \"@daily\"","position":0,"upstream":"unrecognized descriptor: @daily "}
{"schedule":"","valid":false,"error":"the schedule is empty; use five fields such as \"0 */6 * * *\", or a name such as \"@daily\"","position":0,"upstream":"empty spec string"}
{"schedule":"@weekly","valid":true,"zone":"UTC","meaning":"at 00:00 on Sundays","neverFires":false,"next":[],"warnings":[]}' $? "$out"

out=$(printf '0 0 \0 * *\n\xff\n' | "$binary" explain -o json -f - 2>&1)
check "bytes that are no text" 1 '{"schedule":"0 0 \u0000 * *","valid":false,"error":"day-of-month \"\\x00\" is not a number; use 1 to 31","position":4,"upstream":"failed to parse int from "}
{"schedule":"\ufffd","valid":false,"error":"expected 5 fields (minute hour day-of-month month day-of-week), found 1; use \"*\" for fields that do not matter","position":1,"upstream":"expected exactly 5 fields, found 1: [\ufffd]"}' $? "$out"

explain "${from[@]}" -n 2 --for kcm '0 9 13 * 5' '0 9 * * 7'
check "text for people" 1 '0 9 13 * 5
  meaning  at 09:00 on the 13th or on any Friday
  zone     UTC, the controller'"'"'s
  next     Fri 2026-11-27 09:00 +00:00   in 6d5h
           Fri 2026-12-04 09:00 +00:00   in 13d5h
  note     day-of-month and day-of-week are both set: it runs when either matches, not only when both match

0 9 * * 7
        ^
  error    day-of-week 7 is out of range; for Sunday use 0 or sun' "$code" "$out"

explain "${from[@]}" -n 1 '0 9 * * 7' 'TZ=Europe/Berlin 30 2 * * *' '0 24 * * *'
check "text: both readings, only where they differ" 1 '0 9 * * 7
        ^
  for      kcm, and Velero before 1.18.3
  error    day-of-week 7 is out of range; for Sunday use 0 or sun

  for      Velero 1.18.3 and later
  meaning  at 09:00 on Sundays
  zone     UTC, the controller'"'"'s
  next     Sun 2026-11-22 09:00 +00:00   in 1d5h

TZ=Europe/Berlin 30 2 * * *
  meaning  at 02:30 every day
  zone     Europe/Berlin, given in the schedule
  next     Sun 2026-11-22 02:30 +01:00   in 22h16m
  note     02:30 on 2027-10-31 in Europe/Berlin: runs twice, because clocks go back and that time occurs twice
           kcm, and Velero before 1.18.3: 02:30 on 2027-03-28 in Europe/Berlin: no run, because clocks skip that time
           Velero 1.18.3 and later: 02:30 on 2027-03-28 in Europe/Berlin: runs at 03:30 instead, because clocks skip that time

0 24 * * *
  ^
  error    hour 24 is out of range; use 0 to 23; midnight is 0' "$code" "$out"

explain --for velero '@daily'
check "a reader that is asked for by name" 0 0 "$code" "$(grep -c '  for ' <<<"$out")"
explain --for cron '@daily'
check "a reader that is none" 2 'backstop explain: --for cron: expected kcm, velero or velero@VERSION' "$code" "$out"
explain --for velero@ '@daily'
check "a reader without its version" 2 'backstop explain: --for velero@: write a version, such as velero@1.18.3' "$code" "$out"

explain -o json "${from[@]}" '@hourly'
check "five runs when -n is not given" 0 5 "$code" "$(grep -o '2026-11-21T' <<<"$out" | wc -l)"

explain -o yaml '@daily'
check "an unknown output format" 2 'backstop explain: -o yaml: expected text or json' "$code" "$out"
explain --tz Nowhere '@daily'
check "an unknown zone" 2 'backstop explain: --tz Nowhere: unknown time zone Nowhere' "$code" "$out"
explain -f /nonexistent/file
check "a file that is not there" 2 'backstop explain: /nonexistent/file: No such file or directory' "$code" "$out"
explain
check "no schedule at all" 2 'backstop explain: give a schedule, such as "0 */6 * * *", or -f FILE; see: backstop explain --help' "$code" "$out"
explain -f - '@daily'
check "both schedules and a file" 2 'backstop explain: give schedules or -f FILE, not both' "$code" "$out"
explain --from yesterday '@daily'
check "a time that is none" 2 'backstop explain: --from yesterday: expected a time such as 2026-11-21T03:00:00Z' "$code" "$out"
explain --help
check "help" 0 1 "$code" "$(grep -c 'SCHEDULE... | -f FILE' <<<"$out")"

exit $failed
