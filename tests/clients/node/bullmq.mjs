// BullMQ: jobs go to the worker process bullmq_worker.mjs; every step of a queue is a Lua script.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { FlowProducer, Queue, QueueEvents } from "bullmq";
import { Redis } from "ioredis";
import { address, until } from "./server.mjs";

const WAIT_MS = 20_000;
const connection = address;
const redis = new Redis(address);
const queues = Object.fromEntries(
  ["jobs", "single", "limited"].map((name) => [name, new Queue(name, { connection })]),
);
const events = Object.fromEntries(
  // From the start: events that come before the first XREAD would be missed otherwise.
  Object.keys(queues).map((name) => [
    name, new QueueEvents(name, { connection, lastEventId: "0-0" }),
  ]),
);
const { jobs, single, limited } = queues;
const result = (job) => job.waitUntilFinished(events[job.queueName], WAIT_MS);

before(() => Promise.all(Object.values(events).map((listener) => listener.waitUntilReady())));
after(async () => {
  for (const closed of [...Object.values(events), ...Object.values(queues)]) await closed.close();
  await redis.quit();
});

test("jobs return their results and tell their progress", async () => {
  const progress = [];
  events.jobs.on("progress", ({ data }) => progress.push(data));
  const added = await jobs.addBulk(
    Array.from({ length: 50 }, (_, n) => ({ name: "add", data: { left: n, right: 1 } })),
  );
  assert.deepEqual(await Promise.all(added.map(result)), Array.from({ length: 50 }, (_, n) => n + 1));
  await until(() => progress.length === 50);
  assert.equal((await jobs.getJobCounts("completed")).completed, 50);
  assert.equal(await added[0].getState(), "completed");
});

test("a failed job is tried again with a delay that grows", async () => {
  const job = await jobs.add("flaky", { failures: 2 }, {
    attempts: 5, backoff: { type: "exponential", delay: 20 },
  });
  assert.equal(await result(job), 2);
});

test("a job that fails for good is kept and can be tried again", async () => {
  const job = await jobs.add("fail", { text: "no such luck" });
  await assert.rejects(result(job), /no such luck/);
  const [failed] = await jobs.getFailed();
  assert.equal(failed.id, job.id);
  assert.match(failed.stacktrace[0], /bullmq_worker\.mjs/);
  await failed.updateData({ text: "once more" });
  const again = new Promise((done) => events.jobs.once("failed", (event) => done(event.failedReason)));
  await failed.retry();
  assert.equal(await again, "once more");
});

test("a delayed job waits", async () => {
  const start = Date.now();
  const job = await jobs.add("now", {}, { delay: 500 });
  assert.equal(await job.getState(), "delayed");
  assert.ok((await result(job)) >= start + 500);
});

test("a delayed job can be promoted", async () => {
  const job = await jobs.add("now", {}, { delay: 3_600_000 });
  await job.promote();
  assert.ok((await result(job)) <= Date.now());
});

test("a parent waits for its children", async () => {
  const flows = new FlowProducer({ connection });
  const { job } = await flows.add({
    name: "sum",
    queueName: "jobs",
    children: Array.from({ length: 5 }, (_, n) => ({
      name: "add", queueName: n % 2 ? "jobs" : "single", data: { left: n, right: 10 },
    })),
  });
  assert.equal(await result(job), 60);
  assert.equal(Object.keys(await job.getChildrenValues()).length, 5);
  await flows.close();
});

test("the most urgent job is first", async () => {
  await redis.del("notes");
  await single.pause();
  for (const priority of [3, 1, 2]) {
    await single.add("note", { text: `priority ${priority}` }, { priority });
  }
  const last = await single.add("note", { text: "last" }, { priority: 9 });
  assert.equal((await single.getJobCounts("prioritized")).prioritized, 4);
  await single.resume();
  await result(last);
  assert.deepEqual(await redis.lrange("notes", 0, -1), [
    "priority 1", "priority 2", "priority 3", "last",
  ]);
});

test("a rate limit holds jobs back", async () => {
  const added = await limited.addBulk(Array.from({ length: 7 }, () => ({ name: "now", data: {} })));
  const times = (await Promise.all(added.map(result))).sort((a, b) => a - b);
  // Two in each window of 300 ms: the third job of any three starts in a later window.
  for (let n = 2; n < times.length; n++) assert.ok(times[n] - times[n - 2] >= 200, String(times));
});

test("a job with the same deduplication id is added once", async () => {
  const options = { deduplication: { id: "only" }, delay: 300 };
  const first = await jobs.add("note", { text: "a" }, options);
  const second = await jobs.add("note", { text: "b" }, options);
  assert.equal(second.id, first.id);
  assert.equal(await result(first), "a");
});

test("a scheduler repeats a job until it is removed", async () => {
  await redis.del("notes");
  await jobs.upsertJobScheduler("every", { every: 100 }, { name: "note", data: { text: "tick" } });
  await until(async () => (await redis.llen("notes")) >= 3);
  assert.equal(await jobs.removeJobScheduler("every"), true);
  assert.equal(await jobs.getJobSchedulersCount(), 0);
});

test("a waiting job is changed and removed, a queue drained and cleaned", async () => {
  await single.pause();
  const job = await single.add("note", { text: "x" });
  await single.add("note", { text: "y" });
  await job.log("line one");
  assert.deepEqual(await single.getJobLogs(job.id), { logs: ["line one"], count: 1 });
  await job.remove();
  assert.equal(await single.getJob(job.id), undefined);
  await single.drain();
  assert.equal(await single.count(), 0);
  await single.resume();
  await jobs.clean(0, 1000, "completed");
  assert.equal((await jobs.getJobCounts("completed")).completed, 0);
});

test("the worker is listed and a queue leaves nothing behind", async () => {
  assert.ok((await jobs.getWorkers()).length >= 1);
  for (const queue of Object.values(queues)) await queue.obliterate({ force: true });
  const left = await redis.keys("bull:*");
  assert.deepEqual(left.filter((key) => !/:(stalled-check|marker|stalled|limiter|events|meta)$/.test(key)), []);
});
