# The same table every night: the ledger remembers what was sent, and only what is new or has changed is sent again.
roompipe emulator --port 0 > emulator.env 2> emulator.log &
emulator=$!
trap 'kill $emulator' EXIT
until grep -q BASE_URL emulator.env; do sleep 0.05; done
. ./emulator.env

sync() {
  roompipe run create-room "$1" --key id --ledger rooms.ledger --summary-json summary.json
  echo "exit $?: $(grep -o '"read":[0-9]*\|"delivered":[0-9]*\|"skipped":[0-9]*\|"changed":[0-9]*' summary.json | tr '\n' ' ')"
}
sync monday.csv
# Other order, other columns' order; one room has grown and one is new.
sync tuesday.csv
# And once more, as after a crash: nothing is left to do.
sync tuesday.csv
