import { expect, it } from "vitest";
import { subjectPath, subjectWords } from "./action-words.ts";

it("names a subject once", () => {
  expect(subjectWords({ kind: "request", name: "request 3" })).toBe("Request 3");
  expect(subjectWords({ kind: "vm", name: "web-01 on demo-kvm" })).toBe("VM web-01 on demo-kvm");
  expect(subjectWords({ kind: "host", name: "" })).toBe("Host");
  expect(subjectWords({ kind: "audit", name: "audit trail" })).toBe("Audit trail");
  expect(subjectWords({ kind: "of an older version", name: "x" })).toBe("of an older version x");
});

it("leads to what has a page", () => {
  expect(subjectPath({ kind: "host", id: "a" })).toBe("/hosts/a");
  expect(subjectPath({ kind: "vm", id: "h/dom 1" })).toBe("/vms/h/dom%201");
  expect(subjectPath({ kind: "vm", id: "nohost" })).toBeNull();
  expect(subjectPath({ kind: "settings", id: "x" })).toBeNull();
  expect(subjectPath({ kind: "host", id: null })).toBeNull();
});
