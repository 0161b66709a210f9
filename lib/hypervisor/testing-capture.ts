/** For tests that read the disks of a VM that stands still. */
import { randomUUID } from "node:crypto";
import type { CapturePlan } from "./adapter.ts";

export const stillPlan = (tag: string = randomUUID()): CapturePlan => ({
  tag,
  ofSnapshot: false,
  resources: [],
  marks: {},
});
