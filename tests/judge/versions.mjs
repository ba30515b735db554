// Prints what is installed, a JSON object of name and version. Every package is loaded: one that cannot be is found here.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(import.meta.url);
const wanted = JSON.parse(readFileSync(new URL("package.json", import.meta.url))).dependencies;
const found = {};
for (const name of Object.keys(wanted)) {
  require(name);
  const manifest = new URL(`node_modules/${name}/package.json`, import.meta.url);
  found[name] = JSON.parse(readFileSync(manifest)).version;
}
console.log(JSON.stringify(found));
