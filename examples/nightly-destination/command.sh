# A job that is a file: `cron` or `systemd` runs one command without options, and a person tries it out with the same.
roompipe emulator --port 0 > emulator.env 2> emulator.log &
emulator=$!
trap 'kill $emulator' EXIT
until grep -q BASE_URL emulator.env; do sleep 0.05; done
. ./emulator.env

nightly() {
  roompipe run nightly.toml
  echo "exit $?: $(grep -o '"read":[0-9]*\|"delivered":[0-9]*\|"skipped":[0-9]*' summary.json | tr '\n' ' ')"
}
# What would be sent, and nothing is.
roompipe preview nightly.toml --as json -n 1
nightly
# The next night: one meeting has grown.
sed 's/Town Hall,500/Town Hall,800/' meetings.csv > changed.csv && mv changed.csv meetings.csv
nightly
# What an alert looks at: the exit code, and how many records of the last night were delivered.
grep 'exit_code [0-9]\|outcome="delivered"' nightly.prom
cat created.jsonl
