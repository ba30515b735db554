# A table of meetings becomes rooms. Columns map by name; `team` has no place in a room and is left out.
roompipe run create-room rooms.csv --emulator --dead-letters undelivered.jsonl
