# Records of one tenant share a call (`--batch-by`), and a program makes the body of them: here an upsert and, where there are
# such, a delete, each a call of its own.
roompipe run --url '/sink/{tenant}' --batch 100 --batch-by .tenant --batch-as 'jq:
    (map(select(.gone | not)) | select(length > 0) | {action: "upsert", rows: map(del(.gone))}),
    (map(select(.gone))       | select(length > 0) | {action: "delete", ids: map(.id)})' \
  rows.jsonl --emulator --emit 'jq:.data.request | [(.url | split("/") | last), .body]' --concurrency 1
