#!/usr/bin/env bash
# What every command shares on the command line: cli.sh BINARY
set -u
binary=${1:?usage: cli.sh BINARY}
for variable in $(compgen -e BACKSTOP_); do unset "$variable"; done

# expect NAME EXIT PATTERN COMMAND...: exit code, and a pattern in what it prints
expect() {
    local name=$1 wanted=$2 pattern=$3 out code
    shift 3
    out=$("$@" 2>&1 </dev/null)
    code=$?
    if [ "$code" -eq "$wanted" ] && grep -qE -- "$pattern" <<<"$out"; then
        echo "ok - $name"
    else
        echo "FAIL - $name: exit $code: $out"
    fi
}

expect "without a command the commands are listed" 2 '^  serve ' "$binary"
expect "help is no mistake" 0 '^  review ' "$binary" --help
expect "a misspelt command is guessed" 2 'unknown command "reveiw"; did you mean review\?' "$binary" reveiw
expect "help is a command, too" 2 'unknown command "halp"; did you mean help\?' "$binary" halp
expect "the beginning of a command is guessed" 2 'unknown command "rollback"; did you mean rollback-plan\?' "$binary" rollback
expect "an unknown command points to help" 2 'unknown command "frobnicate"; see: backstop --help' "$binary" frobnicate
expect "version names the libraries" 0 '^libmicrohttpd +[0-9]' "$binary" version
expect "version says which commit, as the Makefile found it" 0 "^revision +$(sed -n 1p "$(dirname "$binary")/source-info")\$" "$binary" version
expect "version says the sources' date" 0 "^date +$(date -u -d "@$(sed -n 2p "$(dirname "$binary")/source-info")" +%Y-%m-%dT%H:%M:%SZ)\$" "$binary" version
expect "version as JSON" 0 '^\{"version":"[0-9.]+".*\}$' "$binary" version -o json
expect "--version is the verb" 0 '^version ' "$binary" --version
expect "version takes no operand" 2 'unexpected argument "now"; see' "$binary" version now
expect "a misspelt option is guessed" 2 'unknown option --otput; did you mean --output\?' "$binary" version --otput json
expect "an option's beginning is guessed" 2 'unknown option --file; did you mean --filename\?' "$binary" review --file
expect "a schedule without quotes is recognised" 2 'one argument; put it in quotes, as in: .*"0 3 \* \* \*"' "$binary" explain 0 3 Makefile README.md 1
expect "@every without quotes is recognised" 2 'one argument; put it in quotes' "$binary" explain @every 1d
expect "several names are several schedules" 0 '@hourly' "$binary" explain @daily @hourly
expect "- is standard input" 2 '^backstop explain: -: no schedule in it' "$binary" explain -
expect "explain points a manifest to review" 2 'To review a manifest: backstop review -f manifests/samples/managementbackup.yaml' "$binary" explain -f manifests/samples/managementbackup.yaml
expect "an option without its value says so" 2 'needs a value: text\|json' "$binary" version -o
expect "an option's value may follow =" 0 '^\{' "$binary" version --output=json
expect "a letter's value may be joined" 0 '^\{' "$binary" version -ojson
expect "help of a command names its options" 0 '--from' "$binary" explain --help
expect "an option may follow operands" 0 'meaning' "$binary" explain @daily --tz UTC
expect "-- ends the options" 1 'error' "$binary" explain -- --tz
expect "a number must be a number" 2 '-n .*expected a whole number|--[a-z]+ x: expected a whole number' "$binary" explain -n x @daily
expect "a time must be a time" 2 'expected a time such as' "$binary" explain --from yesterday @daily
expect "an environment variable stands for its option" 0 '^\{' env BACKSTOP_OUTPUT=json "$binary" version
expect "the command line wins over the environment" 0 '^version ' env BACKSTOP_OUTPUT=json "$binary" version -o text
expect "a choice names its words" 2 'rbac: --certificates mine: expected managed, job, cert-manager or secret' "$binary" rbac --certificates mine
expect "a choice is taken to the letter" 2 '--log-level Debug: expected debug, info, warn or error' "$binary" serve --log-level Debug
expect "a choice that is empty is none" 2 '--log-level : expected debug' "$binary" serve --log-level=
expect "a choice of the environment" 2 'BACKSTOP_OUTPUT=xml: expected text or json' env BACKSTOP_OUTPUT=xml "$binary" version
expect "a bad environment variable is named" 2 'BACKSTOP_FROM=soon: expected a time' env BACKSTOP_FROM=soon "$binary" explain @daily

if [ -e /dev/full ]; then
    for words in version rules settings rbac man "man review" "completion bash" "review --help" "__complete ''" help \
        "explain @daily" "status --inventory $PWD/manifests/samples/inventory" "audit --inventory $PWD/manifests/samples/inventory"; do
        expect "$words says that its output cannot be written" 2 'cannot write the output: No space left' \
            sh -c "exec \"$binary\" $words >/dev/full"
    done
fi

expect "uninstall wants --yes where nobody can be asked" 2 'confirm with --yes' \
    "$binary" uninstall -s https://127.0.0.1:1
issued=$(mktemp -d)
expect "certs issue makes a pair" 0 'tls.key' "$binary" certs issue "$issued"
expect "certs issue replaces none unasked" 2 'holds a certificate already; to replace it: --force' "$binary" certs issue "$issued"
expect "certs issue --force replaces it" 0 'tls.key' "$binary" certs issue --force "$issued"
rm -rf "$issued"

# What `backstop settings` prints is a settings file and its schema.
printed=$(mktemp)
trap 'rm -f "$printed"' EXIT
"$binary" settings >"$printed"
expect "the settings printed are settings" 0 '^kind: ClusterRole$' "$binary" rbac --settings "$printed"
expect "the settings printed say what a key decides" 0 '^  # The maximum age of a pre-upgrade backup' cat "$printed"
expect "the schema of the settings is printed" 0 '"title": ?"backstop settings"' "$binary" settings -o schema
expect "settings in another form are refused with those there are" 2 'expected yaml or schema' "$binary" settings -o toml
