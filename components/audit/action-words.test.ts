import { expect, it } from "vitest";
import { actionWords, subjectPath } from "./action-words.ts";

it("reads an action as words", () => {
  expect(actionWords("request.approved")).toBe("Request approved");
  expect(actionWords("user.sign-in")).toBe("User sign in");
});

it("leads to what has a page", () => {
  expect(subjectPath({ kind: "host", id: "a" })).toBe("/hosts/a");
  expect(subjectPath({ kind: "vm", id: "h/dom 1" })).toBe("/vms/h/dom%201");
  expect(subjectPath({ kind: "vm", id: "nohost" })).toBeNull();
  expect(subjectPath({ kind: "settings", id: "x" })).toBeNull();
  expect(subjectPath({ kind: "host", id: null })).toBeNull();
});
