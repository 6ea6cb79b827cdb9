// Submits one request over Redis and waits for its result. Needs ioredis (npm install ioredis).
//
//     REDIS_URL=redis://127.0.0.1:6379 node submit.mjs request.json

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import Redis from "ioredis";

const ENDS = new Set(["succeeded", "rejected", "dead", "cancelled"]);
const client = new Redis(process.env.REDIS_URL ?? "redis://127.0.0.1:6379");
const request = JSON.parse(readFileSync(process.argv[2], "utf8"));
// With a key of its own a request may be sent again at any time, and its events can be told from others.
request.idempotency_key ??= randomUUID();

// Where the streams end now: what happens to the request comes after that.
const at = {};
for (const stream of ["sluice:events", "sluice:rejected"]) {
  const newest = await client.xrevrange(stream, "+", "-", "COUNT", 1);
  at[stream] = newest.length ? newest[0][0] : "0";
}
const entry = await client.xadd("sluice:requests", "*", "request", JSON.stringify(request));
console.log("sent", entry, "with key", request.idempotency_key);

const fields = (words) => {
  const event = {};
  for (let n = 0; n < words.length; n += 2) event[words[n]] = words[n + 1];
  return event;
};

let mine;
let jobs;
const ended = new Map();
while (jobs === undefined || ended.size < jobs) {
  const names = Object.keys(at);
  const read = await client.xread("COUNT", 500, "BLOCK", 5000, "STREAMS", ...names, ...names.map((name) => at[name]));
  for (const [stream, events] of read ?? []) {
    for (const [id, words] of events) {
      at[stream] = id;
      const event = fields(words);
      if (stream === "sluice:rejected") {
        if (event.entry === entry) {
          console.error("rejected:", JSON.parse(event.reason).detail);
          process.exit(1);
        }
      } else if (event.key === request.idempotency_key) {
        mine = event.request;
        jobs = Number(event.jobs);
        console.log("accepted as", mine, "with", jobs, "jobs");
      } else if (mine && event.request === mine && ENDS.has(event.state)) {
        ended.set(event.job, event.state);
        console.log("job", event.job, event.state);
      }
    }
  }
}
client.disconnect();
process.exitCode = [...ended.values()].every((state) => state === "succeeded") ? 0 : 2;
