// Parses metrics as a monitoring tool would, with a parser of the exposition format.
//
// metrics.mjs; reads the text from stdin; prints the families as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const parse = createRequire(import.meta.url)("parse-prometheus-text-format");
console.log(JSON.stringify(parse(readFileSync(0, "utf8"))));
