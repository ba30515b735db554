# No template: a URL with placeholders, a method, headers. `id` goes into the path, percent-encoded; the rest is the
# body, less what `--exclude` names. PUT may be repeated, so a lost answer is tried again.
roompipe run --url '/sink/contacts/{id}' --method PUT contacts.csv --emulator \
  --header 'X-Source: crm' --headers 'X-Batch:7,Accept:application/json' \
  --exclude 'internal note' --infer-types
