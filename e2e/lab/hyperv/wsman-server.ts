/** A WinRM listener: HTTP or HTTPS, Basic, NTLM with sealing, client certificates; SOAP in, SOAP out. */
import { createServer as createHttp, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttps } from "node:https";
import { randomUUID, X509Certificate } from "node:crypto";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { all, at, type Element, textAt } from "#lib/wire/soap/element.ts";
import { parseXml } from "#lib/wire/soap/xml-reader.ts";
import type { XmlText } from "#lib/wire/soap/xml-text.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";
import { tlsServerEndPoint } from "#lib/wire/tls/server-end-point.ts";
import { NS } from "#lib/wire/wsman/message.ts";
import { readSealed, type SealedPart, sealedType, writeSealed } from "#lib/wire/wsman/sealed-body.ts";
import type { KerberosAcceptor } from "./kerberos-acceptor.ts";
import { type Account, NtlmAcceptor } from "./ntlm-acceptor.ts";

export interface WsmanCall {
  readonly action: string;
  readonly resource: string;
  readonly selectors: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  /** Seconds that the client waits. */
  readonly timeout: number;
  /** First element of the body. */
  readonly body: Element | undefined;
  readonly user: string;
}

export interface WsmanReply {
  readonly action: string;
  readonly body: XmlText | null;
}

/** Thrown by a handler: becomes a fault. */
export class Fault extends Error {
  readonly subcode: string;
  readonly number: number;

  constructor(subcode: string, number: number, message: string) {
    super(message);
    this.subcode = subcode;
    this.number = number;
  }
}

export interface WsmanServerOptions {
  readonly hostName: string;
  readonly accounts: readonly Account[];
  readonly tls: { readonly key: string; readonly cert: string } | null;
  /** Accept Basic; over plain HTTP as well only for clients that know nothing better. */
  readonly basic: boolean;
  /** Null: the host is in no domain. */
  readonly kerberos: () => Pick<KerberosAcceptor, "accept"> | null;
  readonly handle: (call: WsmanCall) => Promise<WsmanReply>;
}

/** Kerberos seals in a process of its own, which takes its time. */
interface Seal {
  readonly protocol: string;
  seal(message: Buffer): SealedPart | Promise<SealedPart>;
  unseal(signature: Uint8Array, sealed: Uint8Array): Buffer | Promise<Buffer>;
}

interface Session {
  acceptor: NtlmAcceptor | null;
  channel: Seal | null;
  user: string | null;
}

export class WsmanServer implements AsyncDisposable {
  readonly #options: WsmanServerOptions;
  readonly #server: Server;
  readonly #sessions = new WeakMap<Socket, Session>();
  readonly #sockets = new Set<Socket>();
  /** Connections that the next requests break off instead of being answered. */
  breakNext = 0;

  constructor(options: WsmanServerOptions) {
    this.#options = options;
    const handler = (request: IncomingMessage, response: ServerResponse) =>
      void this.#serve(request, response).catch((error: unknown) => response.destroy(error as Error));
    this.#server =
      options.tls === null
        ? createHttp(handler)
        : createHttps({ ...options.tls, requestCert: true, rejectUnauthorized: false }, handler);
    this.#server.keepAliveTimeout = 120_000;
    this.#server.on(options.tls === null ? "connection" : "secureConnection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  /** As a restart of the service does. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    if (this.breakNext > 0) {
      this.breakNext -= 1;
      request.socket.destroy();
      return;
    }
    if (request.method !== "POST") return answer(response, 405, Buffer.alloc(0));
    const session = this.#session(request.socket);
    const signedIn = await this.#signIn(request, response, session);
    if (signedIn !== true) {
      for (const line of signedIn) response.appendHeader("WWW-Authenticate", line);
      return answer(response, 401, Buffer.alloc(0));
    }
    // The last message of a sign-in may come before there is anything to say.
    if (body.length === 0) return answer(response, 200, Buffer.alloc(0));
    const sealed = String(request.headers["content-type"] ?? "").startsWith("multipart/encrypted");
    if (this.#options.tls === null && session.channel !== null && !sealed)
      return answer(response, 500, Buffer.alloc(0));
    const message = sealed && session.channel !== null ? await unsealed(session.channel, body) : body;
    const { status, text } = await this.#call(message.toString("utf8"), session.user ?? "");
    const out = Buffer.from(text, "utf8");
    const { channel } = session;
    if (sealed && channel !== null)
      answer(response, status, writeSealed(channel.protocol, await channel.seal(out)), sealedType(channel.protocol));
    else answer(response, status, out, "application/soap+xml;charset=UTF-8");
  }

  #session(socket: Socket): Session {
    let session = this.#sessions.get(socket);
    if (session === undefined) {
      session = { acceptor: null, channel: null, user: null };
      this.#sessions.set(socket, session);
    }
    return session;
  }

  /** True, or what to ask for. */
  async #signIn(request: IncomingMessage, response: ServerResponse, session: Session): Promise<true | string[]> {
    const { tls, basic, accounts, hostName } = this.#options;
    const kerberos = this.#options.kerberos();
    const ways = ["Negotiate", ...(kerberos === null ? [] : ["Kerberos"]), ...(basic ? ['Basic realm="WSMAN"'] : [])];
    const given = request.headers.authorization ?? "";
    const [, scheme = "", token] = /^(Negotiate|NTLM|Kerberos) ([A-Za-z0-9+/=]+)$/.exec(given) ?? [];
    if (token !== undefined && !Buffer.from(token, "base64").toString("latin1").startsWith("NTLMSSP")) {
      session.channel = null;
      session.user = null;
      const bindings = tls === null ? null : tlsServerEndPoint(new X509Certificate(tls.cert).raw);
      const accepted = (await kerberos?.accept(Buffer.from(token, "base64"), bindings)) ?? null;
      if (accepted === null) return ways;
      response.setHeader("WWW-Authenticate", `${scheme} ${accepted.token.toString("base64")}`);
      session.channel = accepted.seal;
      session.user = accepted.user;
      return true;
    }
    if (token !== undefined) {
      const message = Buffer.from(token, "base64");
      if (message.length < 12) return ways;
      if (message.readUInt32LE(8) === 1) {
        session.acceptor = new NtlmAcceptor(hostName, tls === null ? null : new X509Certificate(tls.cert).raw);
        session.channel = null;
        session.user = null;
        return [`${given.split(" ")[0] ?? "Negotiate"} ${session.acceptor.challenge(message).toString("base64")}`];
      }
      const channel = session.acceptor?.accept(message, accounts) ?? null;
      session.acceptor = null;
      if (channel === null) return ways;
      session.channel = channel;
      session.user = "ntlm";
      return true;
    }
    if (given.startsWith("Basic ") && basic) {
      const [user = "", ...password] = Buffer.from(given.slice(6), "base64").toString("utf8").split(":");
      const account = accounts.find((known) => known.user === user && known.password === password.join(":"));
      if (account === undefined) return ways;
      session.user = account.user;
      return true;
    }
    if (given.includes("secprofile/https/mutual") && "getPeerCertificate" in request.socket) {
      const subject = (request.socket as TLSSocket).getPeerCertificate().subject as { CN?: string } | undefined;
      if (subject?.CN === undefined || !accounts.some(({ user }) => user === subject.CN)) return ways;
      session.user = subject.CN;
      return true;
    }
    return session.user !== null && session.channel !== null ? true : ways;
  }

  async #call(text: string, user: string): Promise<{ status: number; text: string }> {
    let messageId = "";
    try {
      const root = parseXml(text);
      const header = at(root, "Header");
      messageId = textAt(header, "MessageID") ?? "";
      const named = (set: string, each: string) =>
        Object.fromEntries(all(at(header, set), each).map((item) => [item.attributes?.["Name"] ?? "", item.text]));
      const reply = await this.#options.handle({
        action: (textAt(header, "Action") ?? "").trim(),
        resource: (textAt(header, "ResourceURI") ?? "").trim(),
        selectors: named("SelectorSet", "Selector"),
        options: named("OptionSet", "Option"),
        timeout: Number(/PT([\d.]+)S/.exec(textAt(header, "OperationTimeout") ?? "")?.[1] ?? 60),
        body: at(root, "Body")?.children[0],
        user,
      });
      return { status: 200, text: envelope(messageId, reply.action, reply.body) };
    } catch (error) {
      const fault =
        error instanceof Fault
          ? error
          : new Fault("InternalError", 2150858843, error instanceof Error ? error.message : "?");
      return {
        status: 500,
        text: envelope(
          messageId,
          `${NS.wsman.replace("wsman.xsd", "fault")}`,
          xml`<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:${fault.subcode}</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">${fault.message}</s:Text></s:Reason><s:Detail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="${fault.number}" Machine="${this.#options.hostName}"><f:Message>${fault.message}</f:Message></f:WSManFault></s:Detail></s:Fault>`,
        ),
      };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dropConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function unsealed(channel: Seal, body: Buffer): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const { signature, sealed } of readSealed(channel.protocol, body))
    parts.push(await channel.unseal(signature, sealed));
  return Buffer.concat(parts);
}

function answer(response: ServerResponse, status: number, body: Buffer, type?: string): void {
  response.statusCode = status;
  if (type !== undefined) response.setHeader("Content-Type", type);
  response.setHeader("Content-Length", body.length);
  response.setHeader("Server", "Microsoft-HTTPAPI/2.0");
  response.end(body);
}

function envelope(relatesTo: string, action: string, body: XmlText | null): string {
  return xml`<s:Envelope xmlns:s="${NS.soap}" xmlns:a="${NS.addressing}" xmlns:w="${NS.wsman}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xml:lang="en-US"><s:Header><a:Action>${action}</a:Action><a:MessageID>uuid:${randomUUID().toUpperCase()}</a:MessageID><a:To>${NS.addressing}/role/anonymous</a:To><a:RelatesTo>${relatesTo}</a:RelatesTo></s:Header><s:Body>${body}</s:Body></s:Envelope>`
    .text;
}
