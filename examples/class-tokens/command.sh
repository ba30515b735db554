# An app token for everyone in a class list, for an app of your own that joins by token; the teacher is the host.
# (The key is the emulator's, and opens nothing else.)
export HMS_ACCESS_KEY=65a1b2c3d4e5f60718293a4b HMS_SECRET=demo-secret-of-the-local-emulator-opens-nothing-else==
roompipe token app class.csv --room-id 65a1b2c3d4e5f60718290020 --map user_id=student \
  --map 'role=if .teacher == "yes" then "host" else "guest" end' --valid-for 4h > tokens.jsonl
sed 's/"token":".*"/"token":"(a token)"/' tokens.jsonl

# What each token says to whoever gets it.
sed 's/.*"token":"\(.*\)".*/\1/' tokens.jsonl | while read -r token; do
  echo "$token" | roompipe token inspect | grep -E '"(role|user_id|signature|time)"' | tr -d '\n'
  echo
done
