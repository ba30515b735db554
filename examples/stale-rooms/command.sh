# Rooms that were made before a day, and not touched since, are disabled: a list goes on to the calls that change its items.
roompipe emulator --port 0 > emulator.env 2> emulator.log &
emulator=$!
trap 'kill $emulator' EXIT
until grep -q BASE_URL emulator.env; do sleep 0.05; done
. ./emulator.env

echo '{"name":"new-room"}' | roompipe run create-room --output created.jsonl

roompipe get list-rooms --param enabled=true --until 2026-01-02 \
  | roompipe run set-room-enabled --where '.updated_at < "2026-01-02"' \
      --map room_id=.id --set enabled=false --emit 'jq:.data.response.body | [.name, .enabled]'

echo "left:"
roompipe get list-rooms --param enabled=true --raw --emit 'jq:.data.response.body.data[].name'
