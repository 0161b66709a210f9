/** Who a host must prove to be before a secret goes to it. */
import { type HostConnection, VENDOR_OF_DRIVER } from "#lib/domain/connection.ts";
import type { Vendor } from "#lib/domain/hardware.ts";
import { AppError } from "#lib/errors.ts";
import { identifyHost } from "#lib/hypervisor/registry.ts";
import { peersOf } from "./host-peers.ts";

export interface Identity {
  readonly kind: "ssh-host-key" | "tls-certificate";
  readonly fingerprint: string;
}

const TIMEOUT_MS = 15_000;

export function needsPin(target: HostConnection): boolean {
  return peersOf(target).some(({ pin }) => pin === null);
}

/** What the peer shows now. No secret is sent. Null where the transport has no identity. */
export function readIdentity(target: HostConnection): Promise<Identity | null> {
  return identifyHost(target, { signal: AbortSignal.timeout(TIMEOUT_MS) });
}

/** `host.identity-unconfirmed` (unprocessable) with what the person has to compare. */
export function unconfirmed(name: string, identity: Identity): AppError {
  const what = identity.kind === "ssh-host-key" ? "SSH host key" : "TLS certificate";
  return new AppError(
    "unprocessable",
    "host.identity-unconfirmed",
    `Nobody has confirmed the ${what} of ${name} yet.`,
    {
      hint: "Compare the fingerprint with what the host itself says, then confirm it.",
      details: { kind: identity.kind, fingerprint: identity.fingerprint },
    },
  );
}

/** Throws `host.identity-unconfirmed`, or `host.unreachable` when there is nobody to show one. */
export async function requirePin(name: string, target: HostConnection): Promise<void> {
  if (!needsPin(target)) return;
  const identity = await readIdentity(target);
  if (identity !== null) throw unconfirmed(name, identity);
}

/** The same address without a pin keeps the one that was confirmed; another address must be confirmed anew. */
export function keepPins(old: HostConnection, next: HostConnection): HostConnection {
  let kept = next;
  for (const before of peersOf(old)) {
    const now = peersOf(kept).find(({ address }) => address === before.address);
    if (typeof before.pin === "string" && now?.pin === null) kept = now.pinned(before.pin);
  }
  return kept;
}

export function vendorOf(target: HostConnection): { vendor: Vendor; simulated: boolean } {
  return target.driver === "demo"
    ? { vendor: target.connection.vendor, simulated: true }
    : { vendor: VENDOR_OF_DRIVER[target.driver], simulated: false };
}
