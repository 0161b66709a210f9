/**
 * One session with a vCenter or an ESXi host: SOAP calls, sign-in and its renewal.
 * Source: "vSphere Web Services API" 6.5 to 8.0.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { VsphereConnection } from "#lib/domain/connection/vmware.ts";
import { AppError } from "#lib/errors.ts";
import { HttpsPeer, type HttpsResponse } from "#lib/wire/https/https-peer.ts";
import { at, textAt, type Element } from "#lib/wire/soap/element.ts";
import { bodyOf, envelope, faultOf } from "#lib/wire/soap/envelope.ts";
import { Slices } from "#lib/wire/slices.ts";
import { XmlReader } from "#lib/wire/soap/xml-reader.ts";
import { xml, XmlText } from "#lib/wire/soap/xml-text.ts";
import { ref, refXml, type Ref } from "./ref.ts";
import { isFault, vimFault } from "./vim-fault.ts";

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the first byte of the answer. */
  readonly timeout?: number;
}

/** The one place where a user and a password are kept; they go into Login and nowhere else. */
export interface SignIn {
  readonly user: string;
  readonly password: string;
}

const CALL_MS = 60_000;
/** Of one object, which is looked at in one go. The largest VMs and hosts have some ten thousand elements. */
const OBJECT_LIMITS = { elements: 100_000, characters: 16 * 1024 ** 2 };
const OLDEST_API = "6.5";
/** So that the other connections, which were closed with this one, are known to be so. */
const STALE_MS = 100;
/** What can be done twice without harm. */
const REPEATABLE = /^(Retrieve|Query|Find|CreateContainerView|CreatePropertyCollector|HttpNfcLeaseProgress)/;

export interface About {
  readonly name: string;
  readonly fullName: string;
  readonly version: string;
  readonly build: string;
  /** `VirtualCenter` or `HostAgent`. */
  readonly apiType: string;
  /** Of a vCenter; empty on ESXi. */
  readonly instanceUuid: string;
}

export class VimClient implements AsyncDisposable {
  readonly peer: HttpsPeer;
  readonly connection: VsphereConnection;
  readonly #signIn: SignIn;
  #cookie: string | null = null;
  #api = OLDEST_API;
  #content: Element | null = null;
  /** Counts sign-ins: objects of an older session are gone. */
  #generation = 0;
  #renewal: Promise<void> | null = null;

  readonly #callMs: number;

  private constructor(connection: VsphereConnection, signIn: SignIn, callMs: number) {
    this.connection = connection;
    this.#callMs = callMs;
    this.#signIn = signIn;
    this.peer = new HttpsPeer({
      host: connection.host,
      port: connection.port,
      certificate: connection.certificate,
      ca: connection.caCertificate,
      clientCertificate: null,
      clientKey: null,
    });
  }

  /** `callMs`: how long the answer to a call may take that has no time of its own. */
  static async open(
    connection: VsphereConnection,
    signIn: SignIn,
    {
      signal,
      callMs = CALL_MS,
    }: { readonly signal?: AbortSignal | undefined; readonly callMs?: number | undefined } = {},
  ): Promise<VimClient> {
    const client = new VimClient(connection, signIn, callMs);
    try {
      client.#api = await client.#negotiate(signal);
      client.#content =
        at(
          await client.#exchange("RetrieveServiceContent", ref("ServiceInstance", "ServiceInstance"), xml``, {
            signal,
          }),
          "returnval",
        ) ?? null;
      if (client.about.apiType === "") throw client.#noVsphere();
      await client.#login(signal);
      return client;
    } catch (error) {
      await client.peer[Symbol.asyncDispose]();
      throw error;
    }
  }

  get name(): string {
    return this.peer.name;
  }

  get generation(): number {
    return this.#generation;
  }

  get about(): About {
    const about = at(this.#content ?? undefined, "about");
    const word = (name: string) => textAt(about, name) ?? "";
    return {
      name: word("name"),
      fullName: word("fullName"),
      version: word("version"),
      build: word("build"),
      apiType: word("apiType"),
      instanceUuid: word("instanceUuid"),
    };
  }

  get isVcenter(): boolean {
    return this.about.apiType === "VirtualCenter";
  }

  /** A singleton of the service: `propertyCollector`, `viewManager`, … */
  service(name: string): Ref {
    const found = at(this.#content ?? undefined, name);
    if (found === undefined) throw new AppError("unprocessable", "host.refused", `${this.name} offers no ${name}.`);
    return ref(found.attributes?.["type"] ?? "", found.text);
  }

  /** The session's cookie, for what goes over plain HTTPS. */
  get cookie(): Readonly<Record<string, string>> {
    return this.#cookie === null ? {} : { cookie: this.#cookie };
  }

  /**
   * Calls a method and answers its response. Throws VimFault, and what the connection throws. When the host has ended
   * the session it is opened anew, once; a call that was refused for that reason has done nothing and is made again.
   */
  async call(method: string, self: Ref, args: XmlText = xml``, options: CallOptions = {}): Promise<Element> {
    const stream = this.stream(method, self, args, [], options);
    for (;;) {
      const next = await stream.next();
      if (next.done === true) return next.value;
    }
  }

  /** The same, handing out the wanted elements of the response while it comes in; answers the rest of it. */
  async *stream(
    method: string,
    self: Ref,
    args: XmlText,
    wanted: readonly string[],
    options: CallOptions = {},
  ): AsyncGenerator<Element, Element> {
    const generation = this.#generation;
    try {
      return yield* this.#streamOnce(method, self, args, wanted, options);
    } catch (error) {
      if (!isFault(error, "NotAuthenticated")) throw error;
    }
    await this.renew(generation, options.signal);
    return yield* this.#streamOnce(method, self, args, wanted, options);
  }

  /** Signs in anew unless somebody did since `generation`. */
  async renew(generation: number, signal?: AbortSignal): Promise<void> {
    if (generation !== this.#generation) return;
    this.#renewal ??= this.#login().finally(() => {
      this.#renewal = null;
    });
    await this.#renewal;
    signal?.throwIfAborted();
  }

  async #login(signal?: AbortSignal): Promise<void> {
    this.#cookie = null;
    const { user, password } = this.#signIn;
    await this.#exchange(
      "Login",
      this.service("sessionManager"),
      xml`<userName>${user}</userName><password>${password}</password>`,
      { signal },
    );
    this.#generation += 1;
  }

  /** The newest API that this host speaks. */
  async #negotiate(signal: AbortSignal | undefined): Promise<string> {
    const response = await this.peer.request({
      method: "GET",
      path: "/sdk/vimServiceVersions.xml",
      timeout: this.#callMs,
      signal,
    });
    const text = await response.text(65_536);
    if (response.status !== 200) throw this.#noVsphere();
    const reader = new XmlReader(["namespace"]);
    let version: string | null = null;
    try {
      for (const namespace of reader.feed(text))
        if (textAt(namespace, "name") === "urn:vim25") version = textAt(namespace, "version");
    } catch (cause) {
      throw this.#noVsphere(cause);
    }
    if (version === null || !/^[\d.]{1,20}$/.test(version)) throw this.#noVsphere();
    if (Number.parseFloat(version) < Number(OLDEST_API)) {
      throw new AppError(
        "unprocessable",
        "host.too-old",
        `${this.name} speaks version ${version} of the vSphere API; 6.5 is the oldest that Supravisor knows.`,
      );
    }
    return version;
  }

  #noVsphere(cause?: unknown): AppError {
    return new AppError("unprocessable", "host.no-hypervisor", `${this.name} is neither a vCenter nor an ESXi host.`, {
      hint: "Give the address of vCenter or of the ESXi host itself; the port is 443 as a rule.",
      ...(cause === undefined ? {} : { cause }),
    });
  }

  async #exchange(method: string, self: Ref, args: XmlText, options: CallOptions): Promise<Element> {
    const stream = this.#streamOnce(method, self, args, [], options);
    for (;;) {
      const next = await stream.next();
      if (next.done === true) return next.value;
    }
  }

  async *#streamOnce(
    method: string,
    self: Ref,
    args: XmlText,
    wanted: readonly string[],
    options: CallOptions,
  ): AsyncGenerator<Element, Element> {
    const inner = xml`${refXml("_this", self)}${args}`;
    const text = envelope(new XmlText(`<${method} xmlns="urn:vim25">${inner.text}</${method}>`));
    const ask = () =>
      this.peer.request({
        method: "POST",
        path: "/sdk",
        headers: {
          "content-type": "text/xml; charset=utf-8",
          soapaction: `"urn:vim25/${this.#api}"`,
          ...this.cookie,
        },
        body: text,
        timeout: options.timeout ?? this.#callMs,
        signal: options.signal,
      });
    // Kept connections may have been closed by the other side: what can be repeated is asked again over a new one.
    const response = await ask().catch(async (error: unknown) => {
      if (!REPEATABLE.test(method) || !(error instanceof AppError && error.code === "host.unreachable")) throw error;
      await delay(STALE_MS, undefined, options.signal === undefined ? {} : { signal: options.signal });
      return ask();
    });
    for (const cookie of response.cookies) {
      const own = /^vmware_soap_session=[^;]+/.exec(cookie)?.[0];
      if (own !== undefined) this.#cookie = own;
    }
    return yield* this.#readReply(response, wanted, options.signal);
  }

  async *#readReply(
    response: HttpsResponse,
    wanted: readonly string[],
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Element, Element> {
    if (response.status !== 200 && response.status !== 500) {
      throw new AppError(
        "unavailable",
        "host.unreachable",
        `${this.name} answered with HTTP status ${response.status}${response.status === 503 ? ": its services are not running yet" : ""}.`,
        { details: { status: response.status } },
      );
    }
    const reader = new XmlReader(wanted, wanted.length === 0 ? {} : OBJECT_LIMITS);
    const decoder = new TextDecoder();
    const slices = new Slices();
    for await (const chunk of response.body)
      yield* reader.feedInSlices(decoder.decode(chunk, { stream: true }), slices, signal);
    const body = bodyOf(reader.end());
    if (body === null)
      throw new AppError("unavailable", "host.protocol", `The answer of ${this.name} is no SOAP message.`);
    const fault = faultOf(body);
    if (fault !== null) throw vimFault(fault.detail, fault.words);
    return body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#cookie !== null && this.#content !== null) {
      await this.#exchange("Logout", this.service("sessionManager"), xml``, {
        timeout: 2000,
        signal: AbortSignal.timeout(2000),
      }).catch(() => undefined);
    }
    this.#cookie = null;
    await this.peer[Symbol.asyncDispose]();
  }
}
