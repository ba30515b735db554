// What the SDK of CloudEvents makes of messages: each line of stdin is one, `{"type": its media type, "body": text}`. Prints
// the events it accepted, each strictly validated, as one JSON array.
import { readFileSync } from "node:fs";
import { CloudEvent, HTTP } from "cloudevents";

const events = [];
for (const line of readFileSync(0, "utf8").split("\n").filter((line) => line)) {
  const { type, body } = JSON.parse(line);
  const read = HTTP.toEvent({ headers: { "content-type": type }, body });
  for (const event of Array.isArray(read) ? read : [read]) {
    const strict = new CloudEvent(event.toJSON(), true);
    if (!strict.validate()) throw new Error(`not valid: ${body}`);
    events.push({ id: strict.id, source: strict.source, type: strict.type, subject: strict.subject, time: strict.time, outcome: strict.data.outcome });
  }
}
console.log(JSON.stringify(events));
