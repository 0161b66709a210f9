import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ADVISORY_LOCKS } from "./advisory-locks.ts";

it("has one purpose per number, and no number elsewhere", () => {
  const numbers = Object.values(ADVISORY_LOCKS);
  expect(new Set(numbers).size).toBe(numbers.length);
  const lib = join(import.meta.dirname, "..");
  const elsewhere = readdirSync(lib, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith("advisory-locks.ts"))
    .filter((path) => /\b7_?245_?0\d\d\b/.test(readFileSync(join(lib, path), "utf8")));
  expect(elsewhere).toEqual([]);
});
