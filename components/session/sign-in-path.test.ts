import { expect, it } from "vitest";
import { safeNext, signInPath } from "./sign-in-path.ts";

it("comes back to where one was", () => {
  expect(signInPath("/")).toBe("/sign-in");
  expect(signInPath("/vms/a?tab=disks")).toBe("/sign-in?next=%2Fvms%2Fa%3Ftab%3Ddisks");
  expect(signInPath("/vms/a", { ended: true })).toBe("/sign-in?next=%2Fvms%2Fa&ended=1");
  expect(signInPath("/", { ended: true })).toBe("/sign-in?ended=1");
  expect(safeNext("/vms/a?tab=disks")).toBe("/vms/a?tab=disks");
});

it.each([
  null,
  "",
  "https://other.example",
  "//other.example",
  "/\\other.example",
  "/\t/other.example",
  "javascript:alert(1)",
])("does not follow %j", (next) => expect(safeNext(next)).toBe("/"));
