// express-session with connect-redis: two web servers share their visitors' sessions.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import { RedisStore } from "connect-redis";
import session from "express-session";
import { createClient } from "redis";
import { url } from "./server.mjs";

const client = await createClient({ url }).connect();
const sites = [];

async function serve() {
  const store = new RedisStore({ client: await createClient({ url }).connect(), ttl: 300 });
  const load = session({ store, secret: "x", resave: false, saveUninitialized: false });
  const server = http.createServer((request, response) => {
    load(request, response, () => {
      request.session.visits = (request.session.visits ?? 0) + 1;
      if (request.url === "/leave") {
        request.session.destroy(() => response.end("0"));
      } else {
        response.end(String(request.session.visits));
      }
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { server, store, address: `http://127.0.0.1:${server.address().port}` };
}

before(async () => {
  await client.flushAll();
  sites.push(await serve(), await serve());
});
after(async () => {
  for (const { server, store } of sites) {
    server.close();
    await store.client.close();
  }
  await client.close();
});

test("a session is the same at both servers", async () => {
  const [one, other] = sites;
  const first = await fetch(`${one.address}/`);
  const cookie = first.headers.get("set-cookie").split(";")[0];
  assert.equal(await first.text(), "1");
  const headers = { cookie };
  assert.equal(await (await fetch(`${other.address}/`, { headers })).text(), "2");
  assert.equal(await (await fetch(`${one.address}/`, { headers })).text(), "3");
  const [key] = await client.keys("sess:*");
  const left = await client.ttl(key);
  assert.ok(left > 290 && left <= 300);
  assert.equal(await other.store.length(), 1);
  await (await fetch(`${other.address}/leave`, { headers })).text();
  assert.equal(await client.exists(key), 0);
  assert.equal(await (await fetch(`${one.address}/`, { headers })).text(), "1");
});

test("every session is listed and cleared", async () => {
  for (let number = 0; number < 5; number++) await (await fetch(`${sites[0].address}/`)).text();
  assert.ok((await sites[1].store.ids()).length >= 5);
  await sites[0].store.clear();
  assert.equal(await sites[1].store.length(), 0);
});
