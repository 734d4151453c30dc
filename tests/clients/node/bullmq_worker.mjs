// The worker process of bullmq.mjs.
import { Worker } from "bullmq";
import { Redis } from "ioredis";
import { setTimeout as sleep } from "node:timers/promises";
import { address } from "./server.mjs";

const redis = new Redis(address);
const connection = { ...address, maxRetriesPerRequest: null };

async function run(job) {
  switch (job.name) {
    case "add":
      await job.updateProgress(50);
      return job.data.left + job.data.right;
    case "flaky":
      if (job.attemptsMade < job.data.failures) throw new Error(`try ${job.attemptsMade}`);
      return job.attemptsMade;
    case "fail":
      throw new Error(job.data.text);
    case "now":
      return Date.now();
    case "note":
      await redis.rpush("notes", job.data.text);
      return job.data.text;
    case "sum": {
      const values = Object.values(await job.getChildrenValues());
      return values.reduce((sum, value) => sum + value, 0);
    }
    case "sleep":
      await sleep(job.data.milliseconds);
      return "slept";
    default:
      throw new Error(`no such job: ${job.name}`);
  }
}

const workers = [
  new Worker("jobs", run, { connection, concurrency: 4, drainDelay: 1 }),
  new Worker("single", run, { connection, concurrency: 1, drainDelay: 1 }),
  new Worker("limited", run, {
    connection, concurrency: 10, drainDelay: 1, limiter: { max: 2, duration: 300 },
  }),
];
await Promise.all(workers.map((worker) => worker.waitUntilReady()));
console.log("ready");
process.on("SIGTERM", async () => {
  await Promise.all(workers.map((worker) => worker.close()));
  await redis.quit();
  process.exit(0);
});
