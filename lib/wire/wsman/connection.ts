/**
 * One HTTP connection to a WinRM listener and who speaks on it. NTLM and Kerberos sign in a connection, not a request:
 * everything goes over the same one, one request after another. Source: [MS-WSMV] 3.1.4.1, RFC 4559.
 */
import { connect as connectTcp, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { Client } from "undici";
import { AppError } from "#lib/errors.ts";
import { abortable } from "../abortable.ts";
import { BytePieces } from "../byte-pieces.ts";
import type { KerberosAccount } from "../kerberos/account.ts";
import { KerberosChannel } from "../kerberos/kerberos-channel.ts";
import { countInterim } from "../https/interim.ts";
import { answerChallenge, firstMessage } from "../ntlm/client.ts";
import { paced } from "../paced.ts";
import { openTls, shownBy } from "../tls/open-tls.ts";
import { offersKerberos, tokenIn } from "./challenge.ts";
import { type MessageSeal, sealBody, sealedType, unsealBody } from "./sealed-body.ts";

export interface WsmanTarget {
  readonly host: string;
  readonly port: number;
  /** Null: plain HTTP, where the sign-in seals every message. */
  readonly tls: { readonly certificate: string | null; readonly ca: string | null } | null;
  readonly auth:
    | { readonly kind: "basic" | "ntlm"; readonly user: string; readonly password: string }
    | { readonly kind: "kerberos"; readonly account: KerberosAccount }
    | { readonly kind: "certificate"; readonly certificate: string; readonly key: string };
  /** Milliseconds that an answer may take. Default: more than the host's own longest wait. */
  readonly answerMs?: number;
}

export interface WsmanAnswer {
  readonly status: number;
  readonly text: string;
}

const CONNECT_MS = 15_000;
/** Longer than the host's own longest wait for an answer. */
const ANSWER_MS = 90_000;
/** Eight times the envelope that every request asks for at most. */
const MAX_ANSWER = 4 * 1024 * 1024;
const SOAP_TYPE = "application/soap+xml;charset=UTF-8";

export class WsmanConnection implements AsyncDisposable {
  readonly #target: WsmanTarget;
  readonly #client: Client;
  readonly #where: string;
  #turn: Promise<unknown> = Promise.resolve();
  #channel: (MessageSeal & Partial<Disposable>) | null = null;
  #signedIn = false;
  #certificate: Buffer | null = null;
  /** Address of this machine on the connection; null before the first one. */
  localAddress: string | null = null;

  constructor(target: WsmanTarget) {
    if (target.tls === null && target.auth.kind !== "ntlm" && target.auth.kind !== "kerberos") {
      throw new AppError("invalid", "host.weak-sign-in", "A password never goes over plain HTTP.", {
        hint: "Use HTTPS (port 5986), or NTLM or Kerberos, which seal every message.",
      });
    }
    this.#target = target;
    this.#where = `${target.host}:${target.port}`;
    const host = target.host.includes(":") && !target.host.startsWith("[") ? `[${target.host}]` : target.host;
    this.#client = new Client(`${target.tls === null ? "http" : "https"}://${host}:${target.port}`, {
      pipelining: 1,
      keepAliveTimeout: 60_000,
      connect: (_options, done) => {
        this.#connect().then(
          (socket) => {
            this.localAddress = socket.localAddress ?? null;
            done(null, socket);
          },
          (error: unknown) => done(error instanceof Error ? error : new Error(String(error)), null),
        );
      },
    });
    // Another connection is nobody's until it has signed in.
    this.#client.on("disconnect", () => this.#forget());
  }

  #forget(): void {
    this.#signedIn = false;
    this.#channel?.[Symbol.dispose]?.();
    this.#channel = null;
  }

  async #connect(): Promise<Socket | TLSSocket> {
    const { host, port, tls, auth } = this.#target;
    this.#forget();
    if (tls === null) return openTcp(host, port);
    const socket = await openTls({
      host,
      port,
      certificate: tls.certificate,
      ca: tls.ca,
      clientCertificate: auth.kind === "certificate" ? auth.certificate : null,
      clientKey: auth.kind === "certificate" ? auth.key : null,
    });
    this.#certificate = shownBy(socket);
    return socket;
  }

  /** Throws `host.auth-failed`, `host.unreachable`, `host.timeout`, `host.key-changed`, `host.protocol`. */
  post(message: string, signal?: AbortSignal): Promise<WsmanAnswer> {
    const turn = this.#turn.then(() => this.#post(message, signal));
    this.#turn = turn.catch(() => undefined);
    // The one before may take a minute.
    return abortable(turn, signal);
  }

  async #post(message: string, signal: AbortSignal | undefined): Promise<WsmanAnswer> {
    signal?.throwIfAborted();
    const body = Buffer.from(message, "utf8");
    const { auth } = this.#target;
    if (auth.kind === "ntlm" || auth.kind === "kerberos") {
      const signIn = () =>
        auth.kind === "kerberos"
          ? this.#signInByKerberos(body, auth.account, signal)
          : this.#signIn(body, auth, signal);
      const resumed = this.#signedIn;
      const answer = resumed ? await this.#send(body, {}, signal) : await signIn();
      // The listener has forgotten the connection, or it was another one after all.
      if (answer.status !== 401) return answer;
      this.#forget();
      if (!resumed) throw this.#refused();
      const again = await signIn();
      if (again.status === 401) throw this.#refused();
      return again;
    }
    const authorization =
      auth.kind === "basic"
        ? `Basic ${Buffer.from(`${auth.user}:${auth.password}`, "utf8").toString("base64")}`
        : "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";
    const answer = await this.#send(body, { authorization }, signal);
    if (answer.status === 401) throw this.#refused();
    return answer;
  }

  async #signIn(
    body: Buffer,
    auth: { readonly user: string; readonly password: string },
    signal: AbortSignal | undefined,
  ): Promise<WsmanAnswer> {
    const first = await this.#request(
      Buffer.alloc(0),
      { authorization: `Negotiate ${firstMessage().toString("base64")}`, "content-type": SOAP_TYPE },
      signal,
    );
    const token = tokenIn(first.challenge, "NTLM");
    if (first.status !== 401 || token === undefined) {
      throw new AppError(
        "unprocessable",
        "host.auth-failed",
        `${this.#where} does not take NTLM (it answered ${first.status}).`,
        { hint: "Allow Negotiate in the WinRM service, or choose another way to sign in." },
      );
    }
    const { message, channel } = answerChallenge(Buffer.from(token, "base64"), auth, {
      service: `HTTP/${this.#target.host}`,
      certificate: this.#certificate,
    });
    this.#channel = this.#target.tls === null ? channel : null;
    const answer = await this.#send(body, { authorization: `Negotiate ${message.toString("base64")}` }, signal);
    this.#signedIn = answer.status !== 401;
    return answer;
  }

  async #signInByKerberos(
    body: Buffer,
    account: KerberosAccount,
    signal: AbortSignal | undefined,
  ): Promise<WsmanAnswer> {
    // The ways that it offers, and the certificate that the sign-in is bound to.
    const asked = await this.#request(Buffer.alloc(0), { "content-type": SOAP_TYPE }, signal);
    if (asked.status !== 401 || !offersKerberos(asked.challenge)) {
      throw new AppError(
        "unprocessable",
        "host.auth-failed",
        `${this.#where} does not take Kerberos (it answered ${asked.status}).`,
        { hint: "Allow Kerberos in the WinRM service, or choose another way to sign in." },
      );
    }
    const { host, tls } = this.#target;
    const channel = new KerberosChannel(account, bareHost(host), this.#certificate);
    try {
      const token = await channel.begin(signal);
      const first = await this.#request(
        Buffer.alloc(0),
        { authorization: `Kerberos ${token.toString("base64")}`, "content-type": SOAP_TYPE },
        signal,
      );
      if (first.status === 401) return { status: 401, text: "" };
      const answer = tokenIn(first.challenge, "Kerberos") ?? "";
      await channel.finish(Buffer.from(answer, "base64"), signal);
    } catch (error) {
      channel[Symbol.dispose]();
      throw error;
    }
    if (tls === null) this.#channel = channel;
    else channel[Symbol.dispose]();
    this.#signedIn = true;
    return this.#send(body, {}, signal);
  }

  async #send(body: Buffer, headers: Record<string, string>, signal: AbortSignal | undefined): Promise<WsmanAnswer> {
    const channel = this.#channel;
    const sent = channel === null ? body : sealBody(channel, body);
    const { status, bytes, type } = await this.#request(
      sent,
      { ...headers, "content-type": channel === null ? SOAP_TYPE : sealedType(channel.protocol) },
      signal,
    );
    if (status === 401 || bytes.length === 0) return { status, text: "" };
    if (channel === null) return { status, text: bytes.toString("utf8") };
    if (!/^multipart\/encrypted/i.test(type)) {
      throw new AppError("unavailable", "host.protocol", `${this.#where} answered ${status} without sealing it.`);
    }
    return { status, text: unsealBody(channel, bytes).toString("utf8") };
  }

  async #request(body: Buffer, headers: Record<string, string>, signal: AbortSignal | undefined) {
    const ms = this.#target.answerMs ?? ANSWER_MS;
    const stop = new AbortController();
    try {
      const response = await this.#client.request({
        method: "POST",
        path: "/wsman",
        headers: { ...headers, "user-agent": "Supravisor" },
        body,
        headersTimeout: ms,
        bodyTimeout: ms,
        signal: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]),
        onInfo: countInterim(this.#where, (error) => stop.abort(error)),
      });
      const parts = new BytePieces();
      for await (const part of paced(response.body as AsyncIterable<Uint8Array>, { name: this.#where, ms })) {
        parts.add(part);
        if (parts.length > MAX_ANSWER) {
          throw new AppError(
            "unavailable",
            "host.protocol",
            `${this.#where} answers with more than ${MAX_ANSWER} bytes.`,
          );
        }
      }
      const told = response.headers["www-authenticate"];
      return {
        status: response.statusCode,
        bytes: parts.bytes(),
        type: String(response.headers["content-type"] ?? ""),
        challenge: told === undefined ? null : Array.isArray(told) ? told.join(", ") : told,
      };
    } catch (error) {
      // What was half-way through the key stream cannot be taken up again.
      this.#forget();
      if (signal?.aborted === true) throw signal.reason;
      throw this.#told(error);
    }
  }

  #refused(): AppError {
    return new AppError("unprocessable", "host.auth-failed", `${this.#where} refused the account.`, {
      hint:
        "Check user and password. A local account other than the built-in Administrator needs LocalAccountTokenFilterPolicy=1 " +
        "on a host outside of a domain; a clock that is more than five minutes off also makes a host refuse.",
    });
  }

  #told(error: unknown): unknown {
    if (error instanceof AppError) return error;
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT") {
      return new AppError("unavailable", "host.timeout", `${this.#where} did not answer in time.`, {
        hint: "Check that the host is up and not overloaded.",
        cause: error,
      });
    }
    return new AppError(
      "unavailable",
      "host.unreachable",
      `The connection to ${this.#where} broke: ${error instanceof Error ? error.message : "no reason given"}.`,
      {
        hint: "Check the address, the port, the firewall, and that WinRM is enabled (winrm quickconfig).",
        cause: error,
      },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.destroy();
    this.#forget();
  }
}

/** Without the brackets of an IPv6 address. */
const bareHost = (host: string): string => host.replace(/^\[(.*)\]$/, "$1");

function openTcp(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host, port, noDelay: true });
    socket.setTimeout(CONNECT_MS, () => socket.destroy(new Error("no answer in 15 seconds")));
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.setTimeout(0);
      socket.removeListener("error", reject);
      resolve(socket);
    });
  });
}
