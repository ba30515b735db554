# Two processes on one API: the first makes rooms, the second takes its events and starts a stream in each room.
roompipe emulator --port 0 > emulator.env 2> emulator.log &
emulator=$!
trap 'kill $emulator' EXIT
until grep -q BASE_URL emulator.env; do sleep 0.05; done
. ./emulator.env

roompipe run create-room meetings.csv \
  | roompipe run start-live-stream \
      --where '.type == "call.delivered"' \
      --map room_id=.data.response.body.id \
      --set meeting_url=https://demo.app.100ms.live/meeting/abc-defg-hij
