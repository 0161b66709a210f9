/** Whom a connection speaks to: where each is, what proves that it is the one, and which secrets are for it. */
import type { HostConnection, HostSecret } from "#lib/domain/connection.ts";
import { AppError } from "#lib/errors.ts";

export interface Peer {
  /** Where it is and how it is reached, pins apart: when it differs, what was pinned and stored was for another one. */
  readonly address: string;
  /** The pinned identity; null: none, though the transport has one; undefined: nothing to pin (local, simulated, CA). */
  readonly pin: string | null | undefined;
  readonly kind: "ssh-host-key" | "tls-certificate";
  readonly secrets: readonly (keyof HostSecret)[];
  /** The connection with this pin. */
  pinned(fingerprint: string): HostConnection;
}

/** Others would only lie around. */
const SECRETS: Record<string, readonly (keyof HostSecret)[]> = {
  ssh: ["password", "privateKey", "passphrase"],
  tls: ["clientKey"],
  https: ["password", "clientKey"],
  http: ["password"],
};

/** The hypervisor itself first, then whoever takes its disks. */
export function peersOf(target: HostConnection): readonly Peer[] {
  const { connection } = target;
  const field = "hostKey" in connection ? "hostKey" : "certificate";
  const hypervisor: Peer = {
    address: addressOf(target),
    pin: pinOf(target),
    kind: field === "hostKey" ? "ssh-host-key" : "tls-certificate",
    secrets: SECRETS[connection.transport] ?? [],
    pinned: (fingerprint) => ({ ...target, connection: { ...connection, [field]: fingerprint } }) as HostConnection,
  };
  if (target.driver !== "hyperv" || target.connection.files.by !== "sftp") return [hypervisor];
  const { files, host } = target.connection;
  return [
    hypervisor,
    {
      address: `sftp ${host.toLowerCase()} ${files.port}`,
      pin: files.hostKey,
      kind: "ssh-host-key",
      secrets: ["sshPassword", "privateKey", "passphrase"],
      pinned: (fingerprint) => ({
        ...target,
        connection: { ...target.connection, files: { ...files, hostKey: fingerprint } },
      }),
    },
  ];
}

function addressOf({ driver, connection }: HostConnection): string {
  if ("host" in connection) return `${connection.transport} ${connection.host.toLowerCase()} ${connection.port}`;
  if ("socket" in connection) return `unix ${connection.socket}`;
  if ("vendor" in connection) return `${driver} ${connection.vendor}`;
  return `${driver} ${connection.transport}`;
}

function pinOf({ connection }: HostConnection): string | null | undefined {
  if ("hostKey" in connection) return connection.hostKey;
  if ("certificate" in connection) {
    return connection.certificate ?? (connection.caCertificate === null ? null : undefined);
  }
  return undefined;
}

function pick(secret: HostSecret | null | undefined, names: readonly (keyof HostSecret)[]): HostSecret {
  return Object.fromEntries(names.flatMap((name) => (secret?.[name] ? [[name, secret[name]]] : []))) as HostSecret;
}

const orNull = (secret: HostSecret): HostSecret | null => (Object.keys(secret).length === 0 ? null : secret);

/** What these peers can use of it; null when nothing is left. */
export function fittingSecret(target: HostConnection, secret: HostSecret | null): HostSecret | null {
  return orNull(
    pick(
      secret,
      peersOf(target).flatMap(({ secrets }) => secrets),
    ),
  );
}

/**
 * What is typed for a peer replaces what is stored for it; for the others that stays. Null forgets all. What is stored
 * is never sent to another address than the one it was given for: throws `host.secret-needed`.
 */
export function editedSecret(
  name: string,
  old: { readonly target: HostConnection; readonly secret: HostSecret | null },
  target: HostConnection,
  typed: HostSecret | null | undefined,
): HostSecret | null {
  if (typed === null) return null;
  const known = new Set(peersOf(old.target).map(({ address }) => address));
  const kept = peersOf(target).map(({ address, secrets }) => {
    const given = pick(typed, secrets);
    if (orNull(given) !== null) return given;
    const stored = pick(old.secret, secrets);
    if (orNull(stored) === null || known.has(address)) return stored;
    throw new AppError(
      "unprocessable",
      "host.secret-needed",
      `The stored secret of ${name} was given for its old address.`,
      { hint: "Type the password or key again; it is not sent to another machine unasked." },
    );
  });
  return orNull(Object.assign({}, ...kept) as HostSecret);
}
