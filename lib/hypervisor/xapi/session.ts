/**
 * A session with a pool, wherever its master is. A secret goes only to a peer whose certificate was confirmed, or which the
 * pool itself named over such a connection.
 */
import { createHash, X509Certificate } from "node:crypto";
import { z } from "zod";
import type { HostSecret } from "#lib/domain/connection.ts";
import type { XapiConnection } from "#lib/domain/connection/xapi.ts";
import { AppError } from "#lib/errors.ts";
import { openTls } from "#lib/wire/tls/open-tls.ts";
import { Endpoint, type Member } from "./endpoint.ts";
import { asAppError, isFailure } from "./xapi-error.ts";

const CALL_MS = 60_000;
/** A master that names another master that names another … */
const MOST_HOPS = 3;
const NO_SESSION = "OpaqueRef:NULL";
/** Each is asked for its certificate. A pool has 64 members at most. */
const MOST_MEMBERS = 1024;
const Hosts = z
  .record(z.string(), z.object({ address: z.string() }))
  .refine((hosts) => Object.keys(hosts).length <= MOST_MEMBERS);

export class XapiSession implements AsyncDisposable {
  readonly #connection: XapiConnection;
  readonly #password: string;
  #endpoint: Endpoint;
  #id = "";
  #entering: Promise<void> | null = null;
  /** Certificates of members, by address, as the pool told them. */
  readonly #known = new Map<string, string>();
  /** Counts the logins: whoever follows events starts anew with another session. */
  #entered = 0;

  readonly #callMs: number;

  private constructor(connection: XapiConnection, password: string, endpoint: Endpoint, callMs: number) {
    this.#connection = connection;
    this.#callMs = callMs;
    this.#password = password;
    this.#endpoint = endpoint;
  }

  /** Throws `host.auth-failed`, `host.key-changed`, `host.identity-unconfirmed`, `host.unreachable`, `host.timeout`. */
  static async open(
    connection: XapiConnection,
    secret: HostSecret | null,
    {
      signal,
      callMs = CALL_MS,
    }: { readonly signal?: AbortSignal | undefined; readonly callMs?: number | undefined } = {},
  ): Promise<XapiSession> {
    const session = new XapiSession(
      connection,
      secret?.password ?? "",
      new Endpoint(memberAt(connection, connection.host)),
      callMs,
    );
    try {
      await session.#enter(signal);
      return session;
    } catch (error) {
      // The address may be a slave's, while the confirmed certificate is the master's.
      const master = await masterBehind(connection, error, signal);
      session.#endpoint.close();
      if (master === null) throw asAppError(error, `Signing in at ${session.name}`);
      session.#endpoint = new Endpoint(memberAt(connection, master));
      try {
        await session.#enter(signal);
        return session;
      } catch (second) {
        session.#endpoint.close();
        throw asAppError(second, `Signing in at ${session.name}`);
      }
    }
  }

  get name(): string {
    return this.#endpoint.name;
  }

  get id(): string {
    return this.#id;
  }

  get logins(): number {
    return this.#entered;
  }

  /** Logs in, following the slaves to their master. */
  async #enter(signal: AbortSignal | undefined): Promise<void> {
    for (let hop = 0; ; hop += 1) {
      try {
        const id = await this.#endpoint.call(
          "session.login_with_password",
          [this.#connection.user, this.#password, "1.0", "supravisor"],
          this.#callMs,
          signal,
        );
        this.#id = this.#checked("session.login_with_password", z.string(), id);
        this.#entered += 1;
        await this.#learnMembers(signal);
        return;
      } catch (error) {
        if (!isFailure(error, "HOST_IS_SLAVE") || hop >= MOST_HOPS) throw error;
        this.#moveTo(error.params[0] ?? "");
      }
    }
  }

  #moveTo(address: string): void {
    const old = this.#endpoint;
    this.#endpoint = new Endpoint(this.memberOf(address));
    old.close();
  }

  /** What is known of a member: its certificate as the pool told it, else the confirmed one. */
  memberOf(address: string, port = this.#connection.port): Member {
    const known = this.#known.get(address);
    const member = memberAt(this.#connection, address);
    return {
      ...member,
      port,
      ...(known === undefined || known === "" || member.ca !== null ? {} : { certificate: known }),
    };
  }

  /** Only addresses of the pool are followed. */
  isMember(address: string): boolean {
    return this.#known.has(address);
  }

  /** The members vouch for one another over this connection, so that a redirect or a new master is no unknown peer. */
  async #learnMembers(signal: AbortSignal | undefined): Promise<void> {
    const method = "host.get_all_records";
    const hosts = this.#checked(method, Hosts, await this.#endpoint.call(method, [this.#id], this.#callMs, signal));
    this.#known.clear();
    await Promise.all(
      Object.entries(hosts).map(async ([ref, { address }]) => {
        const pem = await this.#endpoint
          .call("host.get_server_certificate", [this.#id, ref], this.#callMs, signal)
          .catch((error: unknown) => {
            if (error instanceof AppError) throw error;
            // A member that is down cannot show its certificate.
            return "";
          });
        this.#known.set(address, fingerprintOf(String(pem)) ?? "");
      }),
    );
  }

  /** Throws XapiFailure, and `host.*`. A lost session is renewed once, a moved master is followed. */
  async call<T>(
    method: string,
    params: readonly unknown[],
    result: z.ZodType<T>,
    signal?: AbortSignal,
    ms = this.#callMs,
  ): Promise<T> {
    for (let attempt = 0; ; attempt += 1) {
      const id = this.#id;
      try {
        return this.#checked(method, result, await this.#endpoint.call(method, [id, ...params], ms, signal));
      } catch (error) {
        if (!isFailure(error, "SESSION_INVALID", "HOST_IS_SLAVE") || attempt >= 2) throw asLost(error, this.name);
        await this.#again(id, isFailure(error, "HOST_IS_SLAVE") ? (error.params[0] ?? "") : null, signal);
      }
    }
  }

  #checked<T>(method: string, result: z.ZodType<T>, given: unknown): T {
    const checked = result.safeParse(given);
    if (checked.success) return checked.data;
    throw new AppError(
      "unavailable",
      "host.protocol",
      `${this.name} answers ${method} otherwise than the XenAPI does.`,
      {
        hint: "Is it a XenServer ≥ 7.3 or an XCP-ng?",
      },
    );
  }

  /** Many calls may find the session gone; one of them opens the next. */
  async #again(stale: string, master: string | null, signal: AbortSignal | undefined): Promise<void> {
    if (this.#id !== stale) return;
    this.#entering ??= (async () => {
      try {
        if (master !== null) this.#moveTo(master);
        await this.#enter(signal);
      } catch (error) {
        throw asAppError(error, `Signing in again at ${this.name}`);
      } finally {
        this.#entering = null;
      }
    })();
    await this.#entering;
  }

  /** The member that bulk requests begin with. */
  get endpoint(): Endpoint {
    return this.#endpoint;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#endpoint.call("session.logout", [this.#id], 2000).catch(() => undefined);
    this.#endpoint.close();
  }
}

function memberAt(connection: XapiConnection, host: string): Member {
  return { host, port: connection.port, certificate: connection.certificate, ca: connection.caCertificate };
}

function fingerprintOf(pem: string): string | null {
  try {
    return createHash("sha256").update(new X509Certificate(pem).raw).digest("hex");
  } catch {
    return null;
  }
}

function asLost(error: unknown, name: string): unknown {
  if (!isFailure(error, "SESSION_INVALID", "HOST_IS_SLAVE")) return error;
  return new AppError(
    "unavailable",
    "host.session-ended",
    `${name} ended the session, and again after a new sign-in.`,
    {
      hint: "The pool may be choosing another master; Supravisor tries again by itself.",
      cause: error,
    },
  );
}

/** What a peer shows at its port. Nothing is sent to it. */
async function shownAt(host: string, port: number, signal?: AbortSignal): Promise<string> {
  try {
    const nothing = { certificate: null, ca: null, clientCertificate: null, clientKey: null };
    const socket = await openTls({ host, port, ...nothing }, signal);
    socket.destroy();
  } catch (error) {
    const shown =
      error instanceof AppError && error.code === "host.identity-unconfirmed" ? error.details?.["fingerprint"] : null;
    if (typeof shown === "string") return shown;
    throw error;
  }
  throw new AppError("internal", "host.protocol", `${host} showed no certificate.`);
}

/** Asks without a session and without any secret; null: it is no slave. */
async function askMaster(
  host: string,
  port: number,
  certificate: string,
  signal?: AbortSignal,
): Promise<string | null> {
  const endpoint = new Endpoint({ host, port, certificate, ca: null });
  try {
    await endpoint.call("pool.get_all", [NO_SESSION], CALL_MS, signal);
    return null;
  } catch (error) {
    if (isFailure(error, "HOST_IS_SLAVE")) return error.params[0] ?? null;
    return null;
  } finally {
    endpoint.close();
  }
}

/** The master's address when the one that was given belongs to a slave with another certificate. */
async function masterBehind(connection: XapiConnection, error: unknown, signal?: AbortSignal): Promise<string | null> {
  if (!(error instanceof AppError) || error.code !== "host.key-changed") return null;
  const shown = error.details?.["fingerprint"];
  if (typeof shown !== "string") return null;
  return askMaster(connection.host, connection.port, shown, signal);
}

/** The certificate to be confirmed: the master's, also when the address is a slave's. */
export async function identifyPool(
  connection: XapiConnection,
  signal?: AbortSignal,
): Promise<{ kind: "tls-certificate"; fingerprint: string }> {
  const shown = await shownAt(connection.host, connection.port, signal);
  const master = await askMaster(connection.host, connection.port, shown, signal);
  const fingerprint = master === null ? shown : await shownAt(master, connection.port, signal);
  return { kind: "tls-certificate", fingerprint };
}
