# Three records a call, as the property `contacts` beside other ones. A call that is refused is sent again in halves: the one
# bad record is rejected by itself, and the others arrive.
roompipe run --url /sink/contacts --batch 3 --batch-as property:contacts --batch-props '{"source": "crm"}' \
  contacts.jsonl --dead-letters failed.jsonl --emulator --emulator-journal journal.jsonl \
  --emit 'jq:[.data.outcome, (.data.records | map(.record.id)), .data.request.body.source]' --concurrency 1
echo "exit $?, calls of $(wc -l < journal.jsonl), rejected: $(grep -o '"number":[0-9]*' failed.jsonl)"
