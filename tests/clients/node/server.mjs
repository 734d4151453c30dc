// Where the server under test is, and what every scenario needs.
import { setTimeout as sleep } from "node:timers/promises";

export const port = Number(process.env.SERVER_PORT);
export const url = process.env.SERVER_URL;
export const address = { host: "127.0.0.1", port };

// Ask `condition` again and again until it holds.
export async function until(condition, milliseconds = 20_000) {
  const deadline = Date.now() + milliseconds;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`did not hold in time: ${condition}`);
    await sleep(10);
  }
}
