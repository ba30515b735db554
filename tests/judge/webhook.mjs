// A receiver that believes only the library of Standard Webhooks: `node webhook.mjs SECRET N` answers every Nth post 503 and
// all others by whether their signature holds. Prints its port; at the end of stdin what it got.
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const [secret, every] = process.argv.slice(2);
const webhook = new Webhook(secret);
const got = { posts: 0, failed: 0, unverified: 0, reasons: [], mismatched: 0, ids: {} };

const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    got.posts += 1;
    const body = Buffer.concat(chunks).toString("utf8");
    let events;
    try {
      const payload = webhook.verify(body, request.headers);
      events = Array.isArray(payload) ? payload : [payload];
      if (!Array.isArray(payload) && payload.id !== request.headers["webhook-id"]) got.mismatched += 1;
    } catch (error) {
      got.unverified += 1;
      got.reasons.push(String(error));
      response.writeHead(401).end();
      return;
    }
    if (got.posts % Number(every) === 0) {
      got.failed += 1;
      response.writeHead(503).end();
      return;
    }
    for (const event of events) got.ids[event.id] = (got.ids[event.id] ?? 0) + 1;
    response.writeHead(204).end();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => {
  process.stdout.write(`${JSON.stringify(got)}\n`, () => process.exit(0));
});
process.stdin.resume();
