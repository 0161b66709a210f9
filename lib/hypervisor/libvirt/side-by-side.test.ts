import { expect, it } from "vitest";
import { sideBySide } from "./side-by-side.ts";

const items = Array.from({ length: 500 }, (_, i) => i);
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

it("asks about some at once and answers in the order of the items", async () => {
  let running = 0;
  let most = 0;
  const answers = await sideBySide(items, async (item) => {
    running += 1;
    most = Math.max(most, running);
    for (let turns = item % 5; turns >= 0; turns -= 1) await turn();
    running -= 1;
    return item * 2;
  });
  expect(answers).toEqual(items.map((item) => item * 2));
  expect(most).toBeLessThanOrEqual(16);
  expect(most).toBeGreaterThan(1);
});

it("asks no more when one has failed", async () => {
  let asked = 0;
  const refused = sideBySide(items, async (item) => {
    asked += 1;
    await turn();
    if (item === 20) throw new Error("gone");
  });
  await expect(refused).rejects.toThrow("gone");
  await turn();
  expect(asked).toBeLessThan(60);
});
