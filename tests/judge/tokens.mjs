// Verifies tokens as a Node service would, with the library the API's SDK signs by.
//
// tokens.mjs; reads a JSON line for each token from stdin, {"token": …}; prints a JSON array of their claims. A token that does
// not hold ends it. HMS_SECRET is the key.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const { decode, verify } = createRequire(import.meta.url)("jsonwebtoken");
const claims = [];
for await (const line of createInterface({ input: process.stdin })) {
  const { token } = JSON.parse(line);
  // Times are looked at by whoever asked for them: a token may be meant for another day.
  const times = { ignoreExpiration: true, ignoreNotBefore: true };
  claims.push(verify(token, process.env.HMS_SECRET, { algorithms: ["HS256"], ...times }));
  const { header } = decode(token, { complete: true });
  if (header.typ !== "JWT") throw new Error(`the header is ${JSON.stringify(header)}`);
}
console.log(JSON.stringify(claims));
