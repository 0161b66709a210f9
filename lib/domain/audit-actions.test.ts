import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { actionWords, AUDIT_ACTIONS, AUDIT_SUBJECTS } from "./audit-actions.ts";

const lib = join(import.meta.dirname, "..");
const sources = readdirSync(lib, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts") && !path.startsWith("domain/audit-actions"))
  .map((path) => ({ path, text: readFileSync(join(lib, path), "utf8") }));

it("has words for every act, and no two acts have the same", () => {
  const words = Object.entries(AUDIT_ACTIONS);
  for (const [action, { subject, done, tried }] of words) {
    expect(action).toMatch(/^[a-z]+\.[a-z]+(-[a-z]+)*$/);
    expect(AUDIT_SUBJECTS).toContain(subject);
    for (const text of [done, tried]) expect(text, action).toMatch(/^[A-Z]\w*[ \w-]*[a-zA-Z]$/);
  }
  expect(new Set(words.map(([, { done }]) => done)).size).toBe(words.length);
});

it("names every act that the product writes, with the subject that it is written with", () => {
  let found = 0;
  for (const { path, text } of sources) {
    for (const [, action = "", kind = ""] of text.matchAll(
      /action: "([a-z]+\.[a-z-]+)",(?:\s*result: "\w+",)?\s*subject: \{ kind: "(\w+)"/g,
    )) {
      found += 1;
      expect(AUDIT_ACTIONS, path).toHaveProperty([action]);
      expect(AUDIT_ACTIONS[action as keyof typeof AUDIT_ACTIONS].subject, `${path}: ${action}`).toBe(kind);
    }
  }
  expect(found).toBeGreaterThan(15);
});

it("says what was tried when it was not done, and reads old names as they stand", () => {
  expect(actionWords("host.added", "ok")).toBe("Host added");
  expect(actionWords("host.added", "refused")).toBe("Add a host");
  expect(actionWords("vm.shut-down", "failed")).toBe("Shut a VM down");
  expect(actionWords("vm.power", "ok")).toBe("Vm power");
  expect(actionWords("constructor", "ok")).toBe("Constructor");
});
