/** One result of preflight: a rule looked at an image, a host and the choices, and has something to say. */
import { z } from "zod";

export const Severity = z.enum(["blocker", "warning", "info"]);
export type Severity = z.infer<typeof Severity>;

/** The control on the deploy page that a finding belongs to. */
export const FindingField = z.enum([
  "image",
  "host",
  "name",
  "cpus",
  "memory",
  "firmware",
  "secure-boot",
  "format",
  "bus",
  "nic",
  "network",
  "pool",
  "placement",
  "start",
]);
export type FindingField = z.infer<typeof FindingField>;

export const Finding = z.object({
  /** Stable: `target.firmware-unsupported`. */
  rule: z.string(),
  severity: Severity,
  field: FindingField,
  /** What was found, with the numbers. */
  message: z.string(),
  /** Where the limit comes from: the live host, or a document. */
  source: z.string(),
  /** A change of the choices that settles it, applied by one click. `set` is a partial TargetChoice. */
  remedy: z.object({ label: z.string(), set: z.record(z.string(), z.unknown()) }).nullable(),
});
export type Finding = z.infer<typeof Finding>;
