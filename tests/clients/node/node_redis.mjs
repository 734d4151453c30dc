// node-redis over RESP2 and RESP3.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { createClient, createClientPool, defineScript } from "redis";
import { port, until, url } from "./server.mjs";

const scripts = {
  addAndGet: defineScript({
    NUMBER_OF_KEYS: 1,
    SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1])",
    parseCommand(parser, key, number) {
      parser.pushKey(key);
      parser.push(number.toString());
    },
    transformReply: (reply) => reply,
  }),
};

for (const RESP of [2, 3]) {
  describe(`RESP${RESP}`, () => {
    const client = createClient({ url, RESP, scripts });
    before(() => client.connect());
    beforeEach(() => client.flushAll());
    after(() => client.close());

    test("the data types come back", async () => {
      await client.set("string", "grün", { expiration: { type: "EX", value: 100 } });
      assert.equal(await client.get("string"), "grün");
      assert.ok((await client.ttl("string")) > 90);
      await client.hSet("hash", { a: 1, b: "2" });
      assert.deepEqual({ ...(await client.hGetAll("hash")) }, { a: "1", b: "2" });
      await client.rPush("list", ["x", "y", "z"]);
      assert.deepEqual(await client.lRange("list", 0, -1), ["x", "y", "z"]);
      await client.sAdd("set", ["m", "n"]);
      assert.deepEqual([...(await client.sMembers("set"))].sort(), ["m", "n"]);
      await client.zAdd("zset", [{ score: 1, value: "one" }, { score: 0.5, value: "half" }]);
      assert.deepEqual(await client.zRangeWithScores("zset", 0, -1), [
        { value: "half", score: 0.5 },
        { value: "one", score: 1 },
      ]);
      await client.setBit("bits", 7, 1);
      assert.equal(await client.bitCount("bits"), 1);
      await client.geoAdd("geo", { longitude: 13.4, latitude: 52.5, member: "Berlin" });
      assert.deepEqual(
        await client.geoSearch("geo", { longitude: 13, latitude: 52 }, { radius: 100, unit: "km" }),
        ["Berlin"],
      );
      await client.pfAdd("log", ["a", "b", "c"]);
      assert.equal(await client.pfCount("log"), 3);
    });

    test("a transaction fails when a watched key has changed", async () => {
      await client.set("balance", 10);
      const other = await client.duplicate().connect();
      await other.watch("balance");
      await client.set("balance", 7);
      await assert.rejects(other.multi().decr("balance").exec(), { name: "Error" });
      await other.watch("balance");
      assert.deepEqual(await other.multi().decr("balance").get("balance").exec(), [6, "6"]);
      await other.close();
    });

    test("many commands go out in one pipeline", async () => {
      const replies = await Promise.all(
        Array.from({ length: 2000 }, (_, number) => client.incrBy("counter", number % 3)),
      );
      assert.equal(replies.at(-1), 1999);
    });

    test("a subscriber gets messages by channel and pattern", async () => {
      const subscriber = await client.duplicate().connect();
      const got = [];
      await subscriber.subscribe("news", (message) => got.push(`channel ${message}`));
      await subscriber.pSubscribe("n*", (message) => got.push(`pattern ${message}`));
      await subscriber.sSubscribe("shard", (message) => got.push(`shard ${message}`));
      assert.equal(await client.publish("news", "hello"), 2);
      assert.equal(await client.sPublish("shard", "hello"), 1);
      await until(() => got.length === 3);
      assert.deepEqual(got.sort(), ["channel hello", "pattern hello", "shard hello"]);
      await subscriber.unsubscribe("news");
      await subscriber.pUnsubscribe("n*");
      assert.equal(await client.publish("news", "nobody"), 0);
      await subscriber.close();
    });

    test("a blocking pop is woken", async () => {
      const other = await client.duplicate().connect();
      const popped = other.blPop(["a", "b"], 10);
      await client.rPush("b", "job");
      assert.deepEqual({ ...(await popped) }, { key: "b", element: "job" });
      await other.close();
    });

    test("a stream is read by a consumer group", async () => {
      await client.xGroupCreate("stream", "group", "0", { MKSTREAM: true });
      const id = await client.xAdd("stream", "*", { field: "value" });
      const read = await client.xReadGroup(
        "group", "one", { key: "stream", id: ">" }, { COUNT: 10, BLOCK: 1000 },
      );
      // RESP3's map is handed on as it came.
      const [found, fields] =
        RESP === 3 ? read.stream[0] : [read[0].messages[0].id, read[0].messages[0].message];
      assert.equal(found, id);
      assert.deepEqual(RESP === 3 ? fields : { ...fields }, RESP === 3 ? ["field", "value"] : { field: "value" });
      assert.equal((await client.xPending("stream", "group")).pending, 1);
      const claimed = await client.xAutoClaim("stream", "group", "two", 0, "0");
      assert.equal(claimed.messages[0].id, id);
      assert.equal(await client.xAck("stream", "group", id), 1);
      assert.equal((await client.xInfoGroups("stream"))[0].pending, 0);
    });

    test("a script is loaded once and then called by its digest", async () => {
      assert.equal(await client.addAndGet("number", 5), 5);
      await client.scriptFlush();
      assert.equal(await client.addAndGet("number", 6), 11);
      await client.functionLoad(
        "#!lua name=lib\nredis.register_function('answer', function() return 42 end)",
        { REPLACE: true },
      );
      assert.equal(await client.fCall("answer", { keys: [], arguments: [] }), 42);
    });

    test("every key is scanned", async () => {
      await client.mSet(Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`k${n}`, "v"])));
      const found = new Set();
      for await (const keys of client.scanIterator({ COUNT: 20 })) {
        for (const key of keys) found.add(key);
      }
      assert.equal(found.size, 300);
    });

    test("errors reach the caller", async () => {
      await client.set("string", "text");
      await assert.rejects(client.lPush("string", "x"), /WRONGTYPE/);
      await assert.rejects(client.incr("string"), /not an integer/);
    });

    test("a pool runs commands at the same time", async () => {
      const pool = await createClientPool({ url, RESP }, { minimum: 1, maximum: 4 }).connect();
      await Promise.all(Array.from({ length: 50 }, () => pool.incr("pooled")));
      assert.equal(await client.get("pooled"), "50");
      await pool.close();
    });
  });
}

test("a user of the ACL may do only what is allowed", async () => {
  const admin = await createClient({ url }).connect();
  await admin.aclSetUser("ann", ["reset", "on", ">secret", "~cache:*", "+get", "+set", "+hello"]);
  const ann = await createClient({
    username: "ann", password: "secret", socket: { host: "127.0.0.1", port }, disableClientInfo: true,
  }).connect();
  await ann.set("cache:1", "x");
  await assert.rejects(ann.get("other"), /NOPERM/);
  await assert.rejects(ann.del("cache:1"), /NOPERM/);
  await ann.close();
  const wrong = createClient({
    username: "ann", password: "no", socket: { host: "127.0.0.1", port, reconnectStrategy: false },
  });
  wrong.on("error", () => {});
  await assert.rejects(wrong.connect(), /WRONGPASS/);
  await admin.aclDelUser("ann");
  await admin.close();
});

test("the client's cache is told of changes", async () => {
  const cached = await createClient({
    url, RESP: 3, clientSideCache: { ttl: 0, maxEntries: 100, evictPolicy: "LRU" },
  }).connect();
  const other = await createClient({ url }).connect();
  await other.set("tracked", "old");
  const reads = async () => Number((await other.info("commandstats")).match(/cmdstat_get:calls=(\d+)/)[1]);
  assert.equal(await cached.get("tracked"), "old");
  const before = await reads();
  for (let number = 0; number < 10; number++) assert.equal(await cached.get("tracked"), "old");
  assert.equal(await reads(), before);
  await other.set("tracked", "new");
  await until(async () => (await cached.get("tracked")) === "new");
  await cached.close();
  await other.close();
});
