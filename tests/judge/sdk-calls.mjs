// Makes calls of the SDK one after another, and tells of each which requests the emulator got and how it ended.
//
// sdk-calls.mjs BASE_URL; reads a JSON array of {"call": "rooms.create", "arguments": […]} from stdin, where {"$date": "…"}
// is a Date; prints {"methods": the names there are, "told": [{"requests": […], "returned": … or "thrown": {…}}, …]}.
import { text } from "node:stream/consumers";
import { all, lever, sdkAt } from "./sdk.mjs";

const base = process.argv[2];
const { sdk, methods } = sdkAt(base);
const dates = (_, value) => (value?.$date ? new Date(value.$date) : value);
const told = [];
await lever(base, "DELETE", "journal");
for (const { call, arguments: given } of JSON.parse(await text(process.stdin), dates)) {
  const ended = {};
  try {
    const [part, name] = call.split(".");
    let returned = await sdk[part][name](...given);
    if (returned?.[Symbol.asyncIterator]) returned = await all(returned);
    ended.returned = returned ?? null;
  } catch (thrown) {
    // Errors of the SDK's own making have no code, and no own members that JSON would show.
    ended.thrown = { code: thrown.code ?? null, name: thrown.name, message: thrown.message };
  }
  ended.requests = await lever(base, "GET", "journal");
  await lever(base, "DELETE", "journal");
  told.push(ended);
}
console.log(JSON.stringify({ methods: [...methods], told }));
