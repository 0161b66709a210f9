import { createHash } from "node:crypto";
import { canonicalJson } from "#lib/audit/canonical.ts";
import type { FrozenPlan } from "#lib/domain/request.ts";

/** Hex SHA-256 of the plan's canonical JSON: what an approval is bound to. */
export function hashPlan(plan: FrozenPlan): string {
  return createHash("sha256").update(canonicalJson(plan)).digest("hex");
}
