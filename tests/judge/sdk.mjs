// The API's own SDK, pointed at another base URL and watched: which of its methods were called.
//
// Nothing of the SDK is replaced. Only the base URL of its HTTP client is set, which it offers no option for.
import { createRequire } from "node:module";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
const { SDK } = require("@100mslive/server-sdk");

/** Names that the SDK's type declarations mark as private; a method of that name is nobody's to call. */
function privates() {
  const types = join(dirname(require.resolve("@100mslive/server-sdk")), "../types");
  const names = new Set();
  for (const file of readdirSync(types, { recursive: true })) {
    if (!file.endsWith(".d.ts")) continue;
    const text = readFileSync(join(types, file), "utf8");
    for (const [, name] of text.matchAll(/^\s+private (?:readonly )?(\w+)/gm)) names.add(name);
  }
  return names;
}

/** An SDK at this base URL, the names of its public methods, and those of them that were called. */
export function sdkAt(base, key = process.env.HMS_ACCESS_KEY, secret = process.env.HMS_SECRET) {
  const sdk = new SDK(key, secret);
  sdk.api.axios.defaults.baseURL = base;
  const hidden = privates();
  const methods = new Set();
  const called = new Set();
  const watch = (path, object) => {
    for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(object))) {
      if (name === "constructor" || hidden.has(name) || typeof object[name] !== "function") continue;
      const [full, method] = [path + name, object[name]];
      methods.add(full);
      object[name] = function (...parameters) {
        called.add(full);
        return method.apply(this, parameters);
      };
    }
  };
  watch("", sdk);
  for (const [name, part] of Object.entries(sdk)) {
    if (typeof part === "object") watch(`${name}.`, part);
  }
  // It logs to stdout, which is ours.
  sdk.setLogLevel("silent");
  return { sdk, methods, called };
}

/** Every object that one of the SDK's lists yields. */
export async function all(list) {
  const found = [];
  for await (const object of list) found.push(object);
  return found;
}

/** Works a lever of the emulator. */
export async function lever(base, method, path, body) {
  const answer = await fetch(new URL(`/_control/${path}`, base), { method, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
}
