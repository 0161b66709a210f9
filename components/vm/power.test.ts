import { expect, it } from "vitest";
import { whyNotPower } from "./power.ts";

it("offers what the state allows", () => {
  expect(whyNotPower("stopped", "start")).toBeNull();
  expect(whyNotPower("running", "start")).toBe("The virtual machine is running.");
  expect(whyNotPower("paused", "resume")).toBeNull();
  expect(whyNotPower("running", "resume")).not.toBeNull();
  expect(whyNotPower("stopped", "stop")).not.toBeNull();
});

it("lets a VM of unknown state be tried", () => {
  expect(whyNotPower("unknown", "start")).toBeNull();
  expect(whyNotPower("unknown", "stop")).toBeNull();
});
