import { AppError } from "#lib/errors.ts";
import { unlistable } from "./address-rule.ts";

/** Throws `settings.bad-network`. */
export function requireListable(networks: readonly string[]): void {
  const refused = unlistable(networks);
  if (refused.length === 0) return;
  throw new AppError(
    "invalid",
    "settings.bad-network",
    `Images are never fetched from all of ${refused.join(", ")}: this server itself, its link or multicast is in there.`,
    {
      hint: "Name the private networks, as 10.0.0.0/8; IPv4 networks in their own form. The public Internet needs no entry.",
      details: { networks: refused },
    },
  );
}
