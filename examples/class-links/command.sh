# A join link for everyone in a class list: one room code each, kept beside the name it was made for.
roompipe run create-room-code-for-role class.csv --emulator --set room_id=65a1b2c3d4e5f60718290020 \
  --emit 'jq:.data | {student: .records[0].record.student,
    link: ("https://demo.app.100ms.live/meeting/" + .response.body.code)}' > links.jsonl
# A code is random: what it looks like is not.
sed 's/[a-z]\{3\}-[a-z]\{4\}-[a-z]\{3\}/xxx-xxxx-xxx/' links.jsonl
