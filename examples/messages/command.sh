# Messages into a running session: to two roles (one call each, in order), to one peer, to everybody.
# `peer_id` is mapped only where a record has one: an empty recipient would be refused, never sent to everybody.
roompipe run send-message messages.jsonl --emulator \
  --set room_id=65a1b2c3d4e5f60718290020 \
  --map roles='.audience // empty' \
  --map peer_id='.peer // empty'
