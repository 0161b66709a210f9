/** The proxy's own session with the vcsim behind it, and requests that are passed on as they are. */
import { Agent, request, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import { at, textAt, type Element } from "#lib/wire/soap/element.ts";
import { bodyOf, envelope, faultOf } from "#lib/wire/soap/envelope.ts";
import { parseXml } from "#lib/wire/soap/xml-reader.ts";
import { xml, XmlText } from "#lib/wire/soap/xml-text.ts";

export interface Moref {
  readonly type: string;
  readonly id: string;
}

export class Backend {
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #user: string;
  readonly #password: string;
  #cookie = "";

  constructor(options: { port: number; user: string; password: string }) {
    this.#port = options.port;
    this.#user = options.user;
    this.#password = options.password;
  }

  /** The answer's body is still to be read. */
  forward(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    body: Buffer | AsyncIterable<Buffer> | null,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { host: "127.0.0.1", port: this.#port, agent: this.#agent, method, path, headers },
        resolve,
      );
      outgoing.on("error", reject);
      if (body === null || Buffer.isBuffer(body)) outgoing.end(body ?? undefined);
      else
        void (async () => {
          for await (const chunk of body)
            if (!outgoing.write(chunk)) await new Promise((done) => outgoing.once("drain", done));
          outgoing.end();
        })().catch(reject);
    });
  }

  async login(): Promise<void> {
    await this.#post(
      "Login",
      { type: "SessionManager", id: "SessionManager" },
      xml`<userName>${this.#user}</userName><password>${this.#password}</password>`,
      "",
    ).catch(
      // An ESX model names it otherwise.
      () =>
        this.#post(
          "Login",
          { type: "SessionManager", id: "ha-sessionmgr" },
          xml`<userName>${this.#user}</userName><password>${this.#password}</password>`,
          "",
        ),
    );
  }

  /** In the proxy's own session, or in that of a client by its cookie. Throws with the fault's type in the message. */
  call(method: string, self: Moref, args: XmlText, cookie?: string): Promise<Element> {
    return this.#post(method, self, args, cookie ?? this.#cookie);
  }

  async #post(method: string, self: Moref, args: XmlText, cookie: string): Promise<Element> {
    const inner = xml`<_this type="${self.type}">${self.id}</_this>${args}`.text;
    const text = envelope(new XmlText(`<${method} xmlns="urn:vim25">${inner}</${method}>`));
    const response = await this.forward(
      "POST",
      "/sdk",
      { "content-type": "text/xml", ...(cookie === "" ? {} : { cookie }) },
      Buffer.from(text),
    );
    const set = response.headers["set-cookie"]?.[0];
    if (method === "Login" && set !== undefined) this.#cookie = set.split(";")[0] ?? "";
    const parts: Buffer[] = [];
    for await (const chunk of response) parts.push(chunk as Buffer);
    const body = bodyOf(parseXml(Buffer.concat(parts).toString("utf8")));
    if (body === null) throw new Error(`${method}: no SOAP`);
    const fault = faultOf(body);
    if (fault !== null) throw new Error(`${method}: ${fault.detail?.type ?? "fault"} ${fault.words}`);
    return body;
  }

  async property(self: Moref, path: string, cookie?: string): Promise<Element | undefined> {
    // vcsim's two models name the collector differently.
    const collector = { type: "PropertyCollector", id: this.#collector };
    const args = xml`<specSet><propSet><type>${self.type}</type><pathSet>${path}</pathSet></propSet><objectSet><obj type="${self.type}">${self.id}</obj></objectSet></specSet><options/>`;
    const reply = await this.call("RetrievePropertiesEx", collector, args, cookie);
    return at(reply, "returnval", "objects", "propSet", "val");
  }

  #collector = "propertyCollector";

  /** Learns the names of the service's objects; answers the content. */
  async content(): Promise<Element> {
    const reply = await this.call("RetrieveServiceContent", { type: "ServiceInstance", id: "ServiceInstance" }, xml``);
    const content = at(reply, "returnval");
    if (content === undefined) throw new Error("no service content");
    this.#collector = textAt(content, "propertyCollector") ?? this.#collector;
    return content;
  }

  /** Runs a task to its end (vcsim's are over when they begin). Throws with the fault's type. */
  async task(method: string, self: Moref, args: XmlText): Promise<void> {
    const reply = await this.call(method, self, args);
    const task = { type: "Task", id: textAt(reply, "returnval") ?? "" };
    for (let i = 0; i < 100; i += 1) {
      const info = await this.property(task, "info");
      const state = textAt(info, "state");
      if (state === "success") return;
      if (state === "error") throw new Error(`${method}: ${at(info, "error", "fault")?.type ?? "failed"}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${method} does not end`);
  }

  close(): void {
    this.#agent.destroy();
  }
}
