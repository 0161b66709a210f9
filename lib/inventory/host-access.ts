/** What it takes to speak to a stored host: its row, how it is reached, and its opened secret. */
import { createHash } from "node:crypto";
import { and, eq, isNull } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { hosts } from "#lib/db/schema.ts";
import { type HostConnection, HostSecret } from "#lib/domain/connection.ts";
import { AppError } from "#lib/errors.ts";
import type { HypervisorAdapter } from "#lib/hypervisor/adapter.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import type { SecretBox } from "#lib/secrets/box.ts";

export type HostRow = typeof hosts.$inferSelect;

/** The part of the services that opening a host needs. */
export interface HostServices {
  readonly db: Db;
  readonly secrets: SecretBox;
  readonly dataDir: string;
}

export interface HostAccess {
  readonly row: HostRow;
  readonly target: HostConnection;
  /** In the clear: hand it to an adapter or a thread's workerData, never to a log or an answer. */
  readonly secret: HostSecret | null;
}

/** Secrets are sealed for one host: a box copied into another row does not open. */
export function secretBinding(hostId: string): string {
  return `host:${hostId}`;
}

export function sealSecret(secrets: SecretBox, hostId: string, secret: HostSecret): string {
  return secrets.seal(JSON.stringify(secret), secretBinding(hostId));
}

/** Throws `host.not-found`, and what an unreadable secret box throws. */
export async function loadHostAccess(services: HostServices, hostId: string): Promise<HostAccess> {
  const [row] = await services.db
    .select()
    .from(hosts)
    .where(and(eq(hosts.id, hostId), isNull(hosts.removedAt)));
  if (row === undefined) throw hostNotFound();
  return { row, target: row.connection, secret: openSecret(services.secrets, row) };
}

export function openSecret(secrets: SecretBox, row: HostRow): HostSecret | null {
  if (row.secretBox === null) return null;
  return HostSecret.parse(JSON.parse(secrets.open(row.secretBox, secretBinding(row.id))));
}

export function hostNotFound(): AppError {
  return new AppError("not-found", "host.not-found", "There is no such host.", {
    hint: "It may have been removed in the meantime.",
  });
}

/** Changes when the way to the host or its secret does: a session opened under another one is stale. */
export function accessDigest(row: HostRow): string {
  return createHash("sha256")
    .update(JSON.stringify([row.connection, row.secretBox]))
    .digest("hex");
}

/** A session of one's own. Throws what the adapter throws (`host.*`). */
export function openAdapter(
  services: HostServices,
  access: HostAccess,
  signal?: AbortSignal,
): Promise<HypervisorAdapter> {
  return openHost(access.target, access.secret, {
    dataDir: services.dataDir,
    ...(signal === undefined ? {} : { signal }),
  });
}
