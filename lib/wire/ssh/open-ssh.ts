/** An SSH connection whose host key is pinned, and the streams through it. */
import { createHash } from "node:crypto";
import type { Duplex } from "node:stream";
import { Client, type ClientChannel, type ConnectConfig } from "ssh2";
import { AppError } from "#lib/errors.ts";

export interface SshTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** `SHA256:…` as OpenSSH prints it; null: not confirmed yet. */
  readonly hostKey: string | null;
}

export interface SshSecret {
  readonly password?: string | undefined;
  readonly privateKey?: string | undefined;
  readonly passphrase?: string | undefined;
}

const READY_MS = 15_000;

export function hostKeyFingerprint(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

/**
 * Throws `host.identity-unconfirmed` or `host.key-changed` (with the key's fingerprint in `details`) before any
 * secret is sent, `host.auth-failed`, `host.unreachable`.
 */
export async function openSsh(target: SshTarget, secret: SshSecret | null, signal?: AbortSignal): Promise<Client> {
  const client = new Client();
  let shown: string | null = null;
  const config: ConnectConfig = {
    host: target.host,
    port: target.port,
    username: target.user,
    readyTimeout: READY_MS,
    keepaliveInterval: 10_000,
    keepaliveCountMax: 3,
    hostVerifier: (key: Buffer) => {
      shown = hostKeyFingerprint(key);
      return shown === target.hostKey;
    },
    ...(secret?.password === undefined ? {} : { password: secret.password, tryKeyboard: true }),
    ...(secret?.privateKey === undefined ? {} : { privateKey: secret.privateKey }),
    ...(secret?.passphrase === undefined ? {} : { passphrase: secret.passphrase }),
  };
  client.on("keyboard-interactive", (_name, _instructions, _lang, prompts, finish) =>
    finish(prompts.map(() => secret?.password ?? "")),
  );
  try {
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => reject(signal?.reason);
      signal?.addEventListener("abort", onAbort, { once: true });
      client.once("ready", () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      client.once("error", reject);
      client.once("close", () => reject(new Error("The connection was closed.")));
      client.connect(config);
    });
    // Later errors arrive as the end of the streams.
    client.on("error", () => undefined);
    return client;
  } catch (cause) {
    client.on("error", () => undefined);
    client.destroy();
    throw sshError(target, shown, cause);
  }
}

function sshError(target: SshTarget, shown: string | null, cause: unknown): unknown {
  const where = `${target.host}:${target.port}`;
  if (shown !== null && target.hostKey === null) {
    return new AppError(
      "unprocessable",
      "host.identity-unconfirmed",
      `${where} shows the SSH host key ${shown}, which nobody has confirmed yet.`,
      {
        hint: "Compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the host, then confirm it.",
        details: { fingerprint: shown },
      },
    );
  }
  if (shown !== null && shown !== target.hostKey) {
    return new AppError(
      "unprocessable",
      "host.key-changed",
      `${where} shows the SSH host key ${shown}; ${target.hostKey ?? "none"} was confirmed. Nothing was sent.`,
      {
        hint: "If the host was installed anew, test the connection and confirm the new key. Otherwise somebody may be in between.",
        details: { fingerprint: shown },
      },
    );
  }
  const level = cause instanceof Error && "level" in cause ? String(cause.level) : "";
  if (level === "client-authentication") {
    return new AppError(
      "unprocessable",
      "host.auth-failed",
      `${where} does not accept the user ${target.user} with this password or key.`,
      {
        hint: "Check user, password and key. The user must be allowed to sign in by SSH.",
        cause,
      },
    );
  }
  if (cause instanceof Error && /parse|passphrase|privateKey/i.test(cause.message) && shown === null) {
    return new AppError("invalid", "host.bad-key", `The private key cannot be read: ${cause.message}.`, {
      hint: "Give a PEM or OpenSSH private key, and its passphrase if it has one.",
      cause,
    });
  }
  if (cause instanceof AppError || (cause instanceof Error && cause.name === "AbortError")) return cause;
  return new AppError(
    "unavailable",
    "host.unreachable",
    `${where} cannot be reached by SSH: ${cause instanceof Error ? cause.message : "no answer"}.`,
    {
      hint: "Check the address, the port and the firewall.",
      cause,
    },
  );
}

/** The key that the host shows, without signing in. */
export async function readHostKey(target: Pick<SshTarget, "host" | "port">, signal?: AbortSignal): Promise<string> {
  try {
    const client = await openSsh({ ...target, user: "supravisor", hostKey: null }, null, signal);
    client.end();
  } catch (error) {
    const found =
      error instanceof AppError && error.code === "host.identity-unconfirmed"
        ? error.details?.["fingerprint"]
        : undefined;
    if (typeof found === "string") return found;
    throw error;
  }
  throw new AppError("unavailable", "host.unreachable", `${target.host}:${target.port} showed no host key.`);
}

/** A stream to a unix socket on the host; needs OpenSSH 6.7 or newer there. */
export function forwardToSocket(client: Client, path: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    client.openssh_forwardOutStreamLocal(path, (error: Error | undefined, channel: ClientChannel) =>
      error ? reject(error) : resolve(channel),
    );
  });
}

/** A program's stdin and stdout as one stream. Rejects when it ends before it has said anything within `settleMs`. */
export function runAsStream(client: Client, command: string, settleMs: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error) {
        reject(error);
        return;
      }
      let said = "";
      channel.stderr.on("data", (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-500);
      });
      const timer = setTimeout(() => {
        channel.removeListener("close", onClose);
        resolve(channel);
      }, settleMs);
      const onClose = (): void => {
        clearTimeout(timer);
        reject(new Error(said.trim() || `${command} ended at once`));
      };
      channel.once("close", onClose);
    });
  });
}
