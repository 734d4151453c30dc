// rate-limiter-flexible: points that several limiters take from one key.
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { Redis } from "ioredis";
import { RateLimiterRedis } from "rate-limiter-flexible";
import { createClient } from "redis";
import { address, url } from "./server.mjs";

const redis = new Redis(address);
const second = await createClient({ url }).connect();
beforeEach(() => redis.flushall());
after(async () => {
  await redis.quit();
  await second.close();
});

test("the points are consumed and not one more", async () => {
  const limiter = new RateLimiterRedis({ storeClient: redis, points: 5, duration: 60 });
  for (let number = 0; number < 5; number++) {
    assert.equal((await limiter.consume("user")).remainingPoints, 4 - number);
  }
  await assert.rejects(limiter.consume("user"), (refused) => {
    assert.ok(refused.msBeforeNext > 0 && refused.msBeforeNext <= 60_000);
    return true;
  });
  assert.equal((await limiter.get("user")).consumedPoints, 6);
  await limiter.reward("user", 4);
  assert.equal((await limiter.get("user")).consumedPoints, 2);
  assert.equal(await limiter.delete("user"), true);
});

test("limiters over two client libraries share their points", async () => {
  const options = { points: 10, duration: 60, keyPrefix: "shared" };
  const limiters = [
    new RateLimiterRedis({ ...options, storeClient: redis }),
    new RateLimiterRedis({ ...options, storeClient: second, useRedisPackage: true }),
  ];
  const outcomes = await Promise.allSettled(
    Array.from({ length: 24 }, (_, number) => limiters[number % 2].consume("user")),
  );
  assert.equal(outcomes.filter((outcome) => outcome.status === "fulfilled").length, 10);
});

test("a blocked key stays blocked", async () => {
  const limiter = new RateLimiterRedis({
    storeClient: redis, points: 1, duration: 1, blockDuration: 30,
  });
  await limiter.consume("user");
  await assert.rejects(limiter.consume("user"), (refused) => refused.msBeforeNext > 1_000);
  assert.ok((await redis.pttl("rlflx:user")) > 20_000);
});
