/** Who a host must prove to be before a secret goes to it. */
import { type HostConnection, type HostSecret, VENDOR_OF_DRIVER } from "#lib/domain/connection.ts";
import type { Vendor } from "#lib/domain/hardware.ts";
import { AppError } from "#lib/errors.ts";
import { identifyHost } from "#lib/hypervisor/registry.ts";

export interface Identity {
  readonly kind: "ssh-host-key" | "tls-certificate";
  readonly fingerprint: string;
}

const TIMEOUT_MS = 15_000;

/** The pinned identity; null: none, though the transport has one; undefined: nothing to pin (local, simulated, CA). */
export function pinOf({ connection }: HostConnection): string | null | undefined {
  if ("hostKey" in connection) return connection.hostKey;
  if ("certificate" in connection) {
    return connection.certificate ?? (connection.caCertificate === null ? null : undefined);
  }
  return undefined;
}

export function needsPin(target: HostConnection): boolean {
  return pinOf(target) === null;
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

/** Where the connection goes and as whom, pins apart: when it differs, what was pinned and stored was for another peer. */
export function addressOf({ driver, connection }: HostConnection): string {
  if ("host" in connection) return `${connection.transport} ${connection.host.toLowerCase()} ${connection.port}`;
  if ("socket" in connection) return `unix ${connection.socket}`;
  if ("vendor" in connection) return `${driver} ${connection.vendor}`;
  return `${driver} ${connection.transport}`;
}

/** The same address without a pin keeps the one that was confirmed; another address must be confirmed anew. */
export function keepPin(old: HostConnection, next: HostConnection): HostConnection {
  const pin = pinOf(old);
  if (pin === undefined || pin === null || pinOf(next) !== null || addressOf(old) !== addressOf(next)) return next;
  const field = "hostKey" in next.connection ? "hostKey" : "certificate";
  return { ...next, connection: { ...next.connection, [field]: pin } } as HostConnection;
}

/** The secrets that this way of connecting can use; others would only lie around. */
const USED: Record<string, readonly (keyof HostSecret)[]> = {
  ssh: ["password", "privateKey", "passphrase"],
  tls: ["clientKey"],
  https: ["password", "clientKey"],
  http: ["password"],
};

/** Null when nothing useful is left. */
export function fittingSecret(target: HostConnection, secret: HostSecret | null): HostSecret | null {
  if (secret === null) return null;
  const used = USED[target.connection.transport] ?? [];
  const kept = Object.fromEntries(used.flatMap((name) => (secret[name] ? [[name, secret[name]]] : []))) as HostSecret;
  return Object.keys(kept).length === 0 ? null : kept;
}

export function vendorOf(target: HostConnection): { vendor: Vendor; simulated: boolean } {
  return target.driver === "demo"
    ? { vendor: target.connection.vendor, simulated: true }
    : { vendor: VENDOR_OF_DRIVER[target.driver], simulated: false };
}
