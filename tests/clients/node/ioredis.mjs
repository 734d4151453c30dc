// ioredis: pipelines, Lua commands, pub/sub, streams.
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { Redis } from "ioredis";
import { address, until } from "./server.mjs";

const redis = new Redis(address);
beforeEach(() => redis.flushall());
after(() => redis.quit());

test("a pipeline answers each of its commands", async () => {
  const pipeline = redis.pipeline();
  for (let number = 0; number < 1000; number++) pipeline.set(`key:${number}`, number);
  pipeline.get("key:999").lpush("key:1", "x");
  const replies = await pipeline.exec();
  assert.equal(replies.length, 1002);
  assert.deepEqual(replies[1000], [null, "999"]);
  assert.match(replies[1001][0].message, /WRONGTYPE/);
});

test("a transaction is undone when a watched key has changed", async () => {
  const other = redis.duplicate();
  await redis.watch("balance");
  await other.set("balance", 7);
  assert.equal(await redis.multi().incr("balance").exec(), null);
  assert.deepEqual(await redis.multi().incr("balance").get("balance").exec(), [
    [null, 8],
    [null, "8"],
  ]);
  await other.quit();
});

test("a Lua command is defined once and survives a flush of scripts", async () => {
  redis.defineCommand("move_all", {
    numberOfKeys: 2,
    lua: `local moved = 0
          while redis.call('RPOPLPUSH', KEYS[1], KEYS[2]) do moved = moved + 1 end
          return {moved, redis.status_reply('DONE'), cjson.encode({n = moved})}`,
  });
  await redis.rpush("from", 1, 2, 3);
  assert.deepEqual(await redis.move_all("from", "to"), [3, "DONE", '{"n":3}']);
  await redis.script("FLUSH");
  assert.deepEqual(await redis.move_all("from", "to"), [0, "DONE", '{"n":0}']);
  const replies = await redis.pipeline().move_all("to", "from").llen("from").exec();
  assert.deepEqual(replies[1], [null, 3]);
  await assert.rejects(redis.eval("return redis.call('NOSUCH')", 0), /Unknown Redis command/);
});

test("a subscriber gets messages by channel and pattern", async () => {
  const subscriber = redis.duplicate();
  const got = [];
  subscriber.on("message", (channel, message) => got.push([channel, message]));
  subscriber.on("pmessage", (pattern, channel, message) => got.push([pattern, channel, message]));
  assert.equal(await subscriber.subscribe("news", "sport"), 2);
  assert.equal(await subscriber.psubscribe("n*"), 3);
  await redis.publish("news", "hello");
  await until(() => got.length === 2);
  assert.deepEqual(got, [["news", "hello"], ["n*", "news", "hello"]]);
  await subscriber.quit();
});

test("consumers of a group share a stream", async () => {
  await redis.xgroup("CREATE", "stream", "group", "$", "MKSTREAM");
  for (let number = 0; number < 10; number++) {
    await redis.xadd("stream", "MAXLEN", "~", 1000, "*", "number", number);
  }
  const numbers = [];
  for (const consumer of ["one", "two"]) {
    const [[, entries]] = await redis.xreadgroup(
      "GROUP", "group", consumer, "COUNT", 5, "BLOCK", 1000, "STREAMS", "stream", ">",
    );
    for (const [id, [, number]] of entries) {
      numbers.push(Number(number));
      await redis.xack("stream", "group", id);
    }
  }
  assert.deepEqual(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(await redis.xpending("stream", "group"), [0, null, null, null]);
});

test("a blocking read of a stream is woken", async () => {
  const reader = redis.duplicate();
  const read = reader.xread("BLOCK", 10_000, "STREAMS", "stream", "$");
  await until(async () => (await redis.client("LIST")).includes("cmd=xread"));
  const id = await redis.xadd("stream", "*", "a", "1");
  assert.deepEqual(await read, [["stream", [[id, ["a", "1"]]]]]);
  await reader.quit();
});

test("buffers and scans come back whole", async () => {
  const bytes = Buffer.from([0, 255, 13, 10, 128]);
  await redis.set("binary", bytes);
  assert.deepEqual(await redis.getBuffer("binary"), bytes);
  await redis.hset("hash", Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`f${n}`, n])));
  let fields = 0;
  for await (const part of redis.hscanStream("hash", { count: 50 })) fields += part.length / 2;
  assert.equal(fields, 500);
});

test("a lost connection is made again and the command sent again", async () => {
  const victim = redis.duplicate();
  const id = await victim.client("ID");
  await redis.client("KILL", "ID", id);
  assert.equal(await victim.incr("after"), 1);
  assert.notEqual(await victim.client("ID"), id);
  await victim.quit();
});
