/** Tells whether a thing on a host changed since its row was written. */
import { createHash } from "node:crypto";
import { canonicalJson } from "#lib/audit/canonical.ts";

/** 20 bytes as base64: ten thousand of them are kept for each host. Keys in any order, as the database gives them back. */
export function digestOf(value: unknown): string {
  return createHash("sha1").update(canonicalJson(value)).digest("base64");
}
