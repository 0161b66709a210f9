/** Tells whether a thing on a host changed since its row was written. */
import { createHash } from "node:crypto";

/** Same value, same text: keys sorted, since the database keeps JSON in an order of its own. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, v]) => v !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`).join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

/** 20 bytes as base64: ten thousand of them are kept for each host. */
export function digestOf(value: unknown): string {
  return createHash("sha1").update(canonical(value)).digest("base64");
}
