// Has the SDK make tokens.
//
// sdk-tokens.mjs; reads a JSON array of [method of its `auth`, configuration] from stdin; prints the tokens, one a line.
import { text } from "node:stream/consumers";
import { sdkAt } from "./sdk.mjs";

const { sdk } = sdkAt("http://127.0.0.1:9/v2");
for (const [method, configuration] of JSON.parse(await text(process.stdin))) {
  console.log((await sdk.auth[method]({ forceNew: true, ...configuration })).token);
}
