/** One session with a Hyper-V host: control, and shells that do not wait for it. */
import type { HypervConnection } from "#lib/domain/connection/hyperv.ts";
import type { HostSecret } from "#lib/domain/connection.ts";
import { AppError } from "#lib/errors.ts";
import { KerberosAccount } from "#lib/wire/kerberos/account.ts";
import type { CimInstance, CimRef } from "#lib/wire/wsman/cim.ts";
import type { WsmanTarget } from "#lib/wire/wsman/connection.ts";
import { asAppError, WsmanFault } from "#lib/wire/wsman/fault.ts";
import { type MethodInput, WsmanClient } from "#lib/wire/wsman/wsman-client.ts";
import { followJob } from "./job.ts";

export const V2 = "root/virtualization/v2";
export const CIMV2 = "root/cimv2";
/** Merging a large checkpoint takes its time; a job that says nothing new for so long has died. */
const STUCK_MS = 10 * 60_000;

export const systemRef = (id: string): CimRef => ({
  namespace: V2,
  className: "Msvm_ComputerSystem",
  keys: { CreationClassName: "Msvm_ComputerSystem", Name: id },
});

function targetOf(
  connection: HypervConnection,
  secret: HostSecret | null,
  kerberos: KerberosAccount | null,
): WsmanTarget {
  const { host, port, user } = connection;
  const password = secret?.password ?? "";
  if (kerberos !== null) {
    const tls =
      connection.transport === "http" ? null : { certificate: connection.certificate, ca: connection.caCertificate };
    return { host, port, tls, auth: { kind: "kerberos", account: kerberos } };
  }
  if (connection.transport === "http") return { host, port, tls: null, auth: { kind: "ntlm", user, password } };
  const tls = { certificate: connection.certificate, ca: connection.caCertificate };
  if (connection.auth === "basic" || connection.auth === "ntlm")
    return { host, port, tls, auth: { kind: connection.auth, user, password } };
  if (connection.clientCertificate === null || secret?.clientKey === undefined) {
    throw new AppError(
      "invalid",
      "host.auth-failed",
      "A client certificate and its key are needed to sign in that way.",
    );
  }
  return {
    host,
    port,
    tls,
    auth: { kind: "certificate", certificate: connection.clientCertificate, key: secret.clientKey },
  };
}

export class HypervSession implements AsyncDisposable {
  readonly #target: WsmanTarget;
  /** Its tickets serve all connections of the session. */
  readonly #kerberos: KerberosAccount | null;
  readonly #control: WsmanClient;
  readonly connection: HypervConnection;
  /** Milliseconds that a job may stand still. */
  readonly stuckAfter: number;

  constructor(
    connection: HypervConnection,
    secret: HostSecret | null,
    {
      stuckAfter = STUCK_MS,
      answerMs,
    }: { readonly stuckAfter?: number | undefined; readonly answerMs?: number | undefined } = {},
  ) {
    this.connection = connection;
    this.stuckAfter = stuckAfter;
    this.#kerberos =
      connection.auth === "kerberos" ? new KerberosAccount(connection.user, secret?.password ?? null) : null;
    this.#target = {
      ...targetOf(connection, secret, this.#kerberos),
      ...(answerMs === undefined ? {} : { answerMs }),
    };
    this.#control = new WsmanClient(this.#target);
  }

  /** Address of this machine on the connection; null before the first answer. */
  get localAddress(): string | null {
    return this.#control.localAddress;
  }

  /** A client of its own, for what waits long. The caller's to dispose. */
  another(): WsmanClient {
    return new WsmanClient(this.#target);
  }

  /** Asked a second time when the connection broke meanwhile: reading twice does no harm, and signs in anew. */
  async query(namespace: string, wql: string, doing: string, signal?: AbortSignal): Promise<CimInstance[]> {
    for (let attempt = 0; ; attempt++) {
      const found: CimInstance[] = [];
      try {
        for await (const instance of this.#control.query(namespace, wql, signal)) found.push(instance);
        return found;
      } catch (error) {
        if (attempt === 0 && error instanceof AppError && error.code === "host.unreachable") continue;
        throw asAppError(error, doing);
      }
    }
  }

  /** Of a part of Windows that a host need not have, or that the account need not see. */
  async queryIfThere(namespace: string, wql: string, doing: string, signal?: AbortSignal): Promise<CimInstance[]> {
    try {
      return await this.query(namespace, wql, doing, signal);
    } catch (error) {
      if (error instanceof AppError && error.cause instanceof WsmanFault) return [];
      throw error;
    }
  }

  async all(className: string, doing: string, signal?: AbortSignal): Promise<CimInstance[]> {
    return this.query(V2, `SELECT * FROM ${className}`, doing, signal);
  }

  /**
   * Runs a method to its end, a job that it starts included. Throws `host.refused` and the connection's errors: it is
   * not repeated when the connection broke, for nobody knows what the host had done by then.
   */
  async invoke(
    ref: CimRef,
    method: string,
    input: MethodInput,
    doing: string,
    signal?: AbortSignal,
  ): Promise<CimInstance> {
    const output = await this.start(ref, method, input, doing, signal);
    await followJob(this, output, doing, signal);
    return output;
  }

  /** What the method answers; its job is not waited for. */
  async start(
    ref: CimRef,
    method: string,
    input: MethodInput,
    doing: string,
    signal?: AbortSignal,
  ): Promise<CimInstance> {
    try {
      return await this.#control.invoke(ref, method, input, signal);
    } catch (error) {
      throw asAppError(error, doing);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#control[Symbol.asyncDispose]();
    this.#kerberos?.[Symbol.dispose]();
  }
}
