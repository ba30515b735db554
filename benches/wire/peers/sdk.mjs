// What a script on the API's own SDK does with the same job: the lines of a file, so many calls in flight, each answer a line.
//
// sdk.mjs PACKAGES BASE_URL INPUT OUTPUT IN_FLIGHT; PACKAGES is the folder whose node_modules hold the SDK.
import { createWriteStream, createReadStream } from "node:fs";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [packages, base, input, output, inFlight] = process.argv.slice(2);
const { SDK } = createRequire(join(packages, "package.json"))("@100mslive/server-sdk");
const sdk = new SDK(process.env.HMS_ACCESS_KEY, process.env.HMS_SECRET);
// It has no option for either.
sdk.api.axios.defaults.baseURL = base;
sdk.setLogLevel("silent");

const answers = createWriteStream(output);
const lines = createInterface({ input: createReadStream(input), crlfDelay: Infinity })[Symbol.asyncIterator]();

async function send() {
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    const { name, description, region, size } = JSON.parse(line.value);
    const room = await sdk.rooms.create({ name, description, region, size });
    if (!answers.write(JSON.stringify(room) + "\n")) await once(answers, "drain");
  }
}

answers.setMaxListeners(0);
await Promise.all(Array.from({ length: Number(inFlight) }, send));
answers.end();
await once(answers, "finish");
