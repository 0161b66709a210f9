/** One session with a Hyper-V host: control, and shells that do not wait for it. */
import type { HypervConnection } from "#lib/domain/connection/hyperv.ts";
import type { HostSecret } from "#lib/domain/connection.ts";
import { AppError } from "#lib/errors.ts";
import type { CimInstance, CimRef } from "#lib/wire/wsman/cim.ts";
import type { WsmanTarget } from "#lib/wire/wsman/connection.ts";
import { asAppError } from "#lib/wire/wsman/fault.ts";
import { type MethodInput, WsmanClient } from "#lib/wire/wsman/wsman-client.ts";
import { followJob } from "./job.ts";

export const V2 = "root/virtualization/v2";
export const CIMV2 = "root/cimv2";

export function targetOf(connection: HypervConnection, secret: HostSecret | null): WsmanTarget {
  const { host, port, user } = connection;
  const password = secret?.password ?? "";
  if (connection.transport === "http") return { host, port, tls: null, auth: { kind: "ntlm", user, password } };
  const tls = { certificate: connection.certificate, ca: connection.caCertificate };
  if (connection.auth !== "certificate") return { host, port, tls, auth: { kind: connection.auth, user, password } };
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
  readonly #control: WsmanClient;
  readonly connection: HypervConnection;

  constructor(connection: HypervConnection, secret: HostSecret | null) {
    this.connection = connection;
    this.#target = targetOf(connection, secret);
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

  async query(namespace: string, wql: string, doing: string, signal?: AbortSignal): Promise<CimInstance[]> {
    const found: CimInstance[] = [];
    try {
      for await (const instance of this.#control.query(namespace, wql, signal)) found.push(instance);
    } catch (error) {
      throw asAppError(error, doing);
    }
    return found;
  }

  async all(className: string, doing: string, signal?: AbortSignal): Promise<CimInstance[]> {
    return this.query(V2, `SELECT * FROM ${className}`, doing, signal);
  }

  /** Runs a method to its end, a job that it starts included. Throws `host.refused` and the connection's errors. */
  async invoke(
    ref: CimRef,
    method: string,
    input: MethodInput,
    doing: string,
    signal?: AbortSignal,
  ): Promise<CimInstance> {
    let output: CimInstance;
    try {
      output = await this.#control.invoke(ref, method, input, signal);
    } catch (error) {
      throw asAppError(error, doing);
    }
    await followJob(this, output, doing, signal);
    return output;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#control[Symbol.asyncDispose]();
  }
}
