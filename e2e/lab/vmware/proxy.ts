/**
 * vCenter or ESXi as a client sees it: TLS before a vcsim, which it completes where the simulator drops bytes or lacks a
 * call. What an upload brings is kept as the real file of the disk in vcsim's datastore, ExportVm and ExportSnapshot
 * give out what lies there, /folder wants a session. It injects what can go wrong. Checked by govc and pyvmomi.
 */
import { once } from "node:events";
import { createReadStream, mkdtempSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { createServer as createNetServer, type Server as NetServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { all, at, numberAt, textAt, type Element } from "#lib/wire/soap/element.ts";
import { bodyOf, envelope } from "#lib/wire/soap/envelope.ts";
import { parseXml } from "#lib/wire/soap/xml-reader.ts";
import { xml, XmlText } from "#lib/wire/soap/xml-text.ts";
import { Backend, type Moref } from "./backend.ts";
import { makeCertificate, type LabCertificate } from "./certificate.ts";
import { packDisk, receive, unpackDisk } from "./nfc-files.ts";
import { NfcLease, type LeaseFile, type LeaseHost } from "./nfc-lease.ts";
import type { Vcsim } from "./vcsim.ts";

const SWEEP_MS = 100;
/** What vSphere gives a lease between two reports of progress. */
const LEASE_MS = 300_000;

export interface VsphereProxy extends AsyncDisposable {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** It answers at `::1` too. */
  readonly hasIpv6: boolean;
  certificate(): LabCertificate;
  /** Another certificate for connections from now on; those that are open are cut. */
  changeCertificate(): void;
  /** Ends every session that a client holds. */
  expireSessions(): Promise<void>;
  /** Nobody answers until `up` is called; sessions do not survive it. */
  down(): Promise<() => void>;
  /** Uploads end with a full datastore after so many bytes; null: they do not. */
  limitUploads(bytes: number | null): void;
  /** Milliseconds that leases made from now on live without a report of progress; null: as vSphere has it. */
  limitLeases(ms: number | null): void;
  /** The next call of the method is answered with this fault instead. */
  failNext(method: string, fault: string, words: string): void;
  /** As an ESXi host with the free licence: whatever changes something, or exports, is refused. */
  restrict(on: boolean): void;
  /** The next call of the method begins a task that runs until it is let go. */
  holdNext(method: string): HeldTask;
  /** Called with each method before it goes on. */
  onCall(listener: ((method: string, self: Moref) => void | Promise<void>) | null): void;
  /** Bytes of uploads held back so that tests can act in the middle; null: none. */
  slowUploads(bytesPerSecond: number | null): void;
  /** Leases name another host for the files, which has this thumbprint; null: the host that is spoken to. */
  nameHost(host: LeaseHost | null): void;
  /** Disks are taken and thrown away, for benches of the way to the host. */
  dropUploads(drop: boolean): void;
  /** Leases that are neither complete nor given up. */
  openLeases(): number;
  /** Absolute path of a file in a datastore: `[LocalDS_0] web/web-flat.vmdk`. */
  path(datastorePath: string): Promise<string>;
  /** The proxy's own session, for tests that act as somebody else on the host. */
  readonly backend: Backend;
}

export interface HeldTask {
  /** Somebody has told it to cancel. */
  readonly cancelled: boolean;
  /** How far it says it is. */
  percent: number;
  /** It succeeds, without having done anything. */
  end(): void;
}

/** What the free licence of ESXi refuses to programs. */
const NOT_FREE =
  /^(ImportVApp|ExportVm|ExportSnapshot|Create.*(_Task|VApp)|CreateVM_Task|ReconfigVM_Task|PowerO.*VM_Task|ResetVM_Task|SuspendVM_Task|Destroy_Task|Rename_Task|RemoveSnapshot_Task|ShutdownGuest|RebootGuest|.*VirtualDisk_Task)$/;

function freeLicence(manager: string): XmlText {
  const value = new XmlText(
    '<val xsi:type="ArrayOfLicenseManagerLicenseInfo"><LicenseManagerLicenseInfo><licenseKey>00000-00000-00000-00000-00000</licenseKey><editionKey>esxBasic</editionKey><name>VMware vSphere Hypervisor</name><total>0</total></LicenseManagerLicenseInfo></val>',
  );
  return xml`<returnval><objects><obj type="LicenseManager">${manager}</obj><propSet><name>licenses</name>${value}</propSet></objects></returnval>`;
}

export async function startProxy(vcsim: Vcsim): Promise<VsphereProxy> {
  const proxy = new Proxy(vcsim);
  await proxy.start();
  return proxy;
}

class Proxy implements VsphereProxy {
  readonly backend: Backend;
  readonly user: string;
  readonly password: string;
  port = 0;
  hasIpv6 = false;
  readonly #folder = mkdtempSync(join(tmpdir(), "supravisor-vsphere-"));
  readonly #sockets = new Set<Socket>();
  readonly #leases = new Map<string, NfcLease>();
  /** Cookies of the sessions that clients opened. */
  readonly #sessions = new Set<string>();
  /** Filters over leases, by the collector that they were made in. */
  readonly #filters = new Map<
    string,
    { readonly filter: string; readonly lease: NfcLease; readonly paths: readonly string[]; seen: string }
  >();
  /** Calls that wait for their answer, told when their session ends. */
  readonly #expiry = new Map<() => void, string>();
  readonly #held = new Map<
    string,
    { method: string; percent: number; state: "waiting" | "running" | "success"; cancelled: boolean }
  >();
  readonly #failures: { method: string; fault: string; words: string }[] = [];
  readonly #datastores = new Map<string, string>();
  #certificate: LabCertificate;
  #server: Server;
  #certificates = 0;
  #isDown = false;
  #restricted = false;
  #ipv6: NetServer | null = null;
  #uploadLimit: number | null = null;
  #leaseMs: number = LEASE_MS;
  #rate: number | null = null;
  #drops = false;
  #host: LeaseHost | null = null;
  #listener: ((method: string, self: Moref) => void | Promise<void>) | null = null;
  #sweep: NodeJS.Timeout | null = null;
  #count = 0;

  constructor(vcsim: Vcsim) {
    this.backend = new Backend(vcsim);
    this.user = vcsim.user;
    this.password = vcsim.password;
    this.#certificate = makeCertificate(this.#folder, "vsphere-0");
    this.#server = createServer({ key: this.#certificate.key, cert: this.#certificate.cert }, (request, response) => {
      this.#handle(request, response).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(500);
        response.end(String(error));
      });
    });
    this.#server.on("connection", (socket: Socket) => {
      if (this.#isDown) {
        socket.destroy();
        return;
      }
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => undefined);
    });
  }

  async start(): Promise<void> {
    await this.backend.login();
    await this.backend.content();
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    this.port = address.port;
    await this.#listenByIpv6(address.port);
    this.#sweep = setInterval(() => void this.#expireLeases(), SWEEP_MS);
    this.#sweep.unref();
  }

  /** The same port under `::1`, where this machine has IPv6. */
  async #listenByIpv6(port: number): Promise<void> {
    const server = createNetServer((socket) => this.#server.emit("connection", socket));
    this.#ipv6 = server;
    await new Promise<void>((resolve) => {
      server.once("error", () => resolve());
      server.listen(port, "::1", () => {
        this.hasIpv6 = true;
        resolve();
      });
    });
  }

  certificate(): LabCertificate {
    return this.#certificate;
  }

  changeCertificate(): void {
    this.#certificates += 1;
    this.#certificate = makeCertificate(this.#folder, `vsphere-${this.#certificates}`);
    this.#server.setSecureContext({ key: this.#certificate.key, cert: this.#certificate.cert });
    for (const socket of this.#sockets) socket.destroy();
  }

  async expireSessions(): Promise<void> {
    const cookies = [...this.#sessions];
    this.#sessions.clear();
    this.#filters.clear();
    for (const cookie of cookies) {
      const manager = { type: "SessionManager", id: textAt(await this.backend.content(), "sessionManager") ?? "" };
      await this.backend.call("Logout", manager, xml``, cookie).catch(() => undefined);
      for (const lease of this.#leases.values())
        if (lease.cookie === cookie) await this.#drop(lease, "NotAuthenticated", "The session has ended.");
    }
    for (const [end, cookie] of this.#expiry) if (cookies.includes(cookie)) end();
  }

  async down(): Promise<() => void> {
    this.#isDown = true;
    await this.expireSessions();
    for (const socket of this.#sockets) socket.destroy();
    return () => {
      this.#isDown = false;
    };
  }

  limitUploads(bytes: number | null): void {
    this.#uploadLimit = bytes;
  }

  limitLeases(ms: number | null): void {
    this.#leaseMs = ms ?? LEASE_MS;
  }

  failNext(method: string, fault: string, words: string): void {
    this.#failures.push({ method, fault, words });
  }

  restrict(on: boolean): void {
    this.#restricted = on;
  }

  holdNext(method: string): HeldTask {
    this.#count += 1;
    const held = { method, percent: 0, state: "waiting" as "waiting" | "running" | "success", cancelled: false };
    this.#held.set(`task-held-${this.#count}`, held);
    return {
      get cancelled() {
        return held.cancelled;
      },
      get percent() {
        return held.percent;
      },
      set percent(value) {
        held.percent = value;
      },
      end: () => {
        held.state = "success";
      },
    };
  }

  onCall(listener: ((method: string, self: Moref) => void | Promise<void>) | null): void {
    this.#listener = listener;
  }

  slowUploads(bytesPerSecond: number | null): void {
    this.#rate = bytesPerSecond;
  }

  nameHost(host: LeaseHost | null): void {
    this.#host = host;
  }

  #leaseHost(): LeaseHost {
    return this.#host ?? { address: "*", thumbprint: this.#certificate.thumbprint };
  }

  dropUploads(drop: boolean): void {
    this.#drops = drop;
  }

  openLeases(): number {
    return [...this.#leases.values()].filter((lease) => lease.state === "ready" || lease.state === "initializing")
      .length;
  }

  async path(datastorePath: string): Promise<string> {
    const [, name = "", file = ""] = /^\[([^\]]*)\] ?(.*)$/.exec(datastorePath) ?? [];
    let folder = this.#datastores.get(name);
    if (folder === undefined) {
      const content = await this.backend.content();
      const view = { type: "ViewManager", id: textAt(content, "viewManager") ?? "" };
      const root = textAt(content, "rootFolder") ?? "";
      const made = await this.backend.call(
        "CreateContainerView",
        view,
        xml`<container type="Folder">${root}</container><type>Datastore</type><recursive>true</recursive>`,
      );
      for (const ref of all(
        await this.backend.property({ type: "ContainerView", id: textAt(made, "returnval") ?? "" }, "view"),
        "ManagedObjectReference",
      )) {
        const store = { type: "Datastore", id: ref.text };
        const url = textAt(await this.backend.property(store, "info"), "url");
        this.#datastores.set((await this.backend.property(store, "name"))?.text ?? "", url ?? "");
      }
      folder = this.#datastores.get(name);
    }
    if (folder === undefined) throw new Error(`no datastore ${name}`);
    return join(folder, file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#sweep !== null) clearInterval(this.#sweep);
    for (const socket of this.#sockets) socket.destroy();
    this.#ipv6?.close();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.backend.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? "/";
    if (url.startsWith("/nfc/")) return this.#nfc(request, response, url);
    if (url.startsWith("/folder/")) return this.#folderFile(request, response);
    if (request.method === "POST" && url.startsWith("/sdk")) return this.#soap(request, response);
    await this.#pass(request, response, null);
  }

  /** As it came; `body` when it has been read already. */
  async #pass(request: IncomingMessage, response: ServerResponse, body: Buffer | null): Promise<void> {
    const headers = { ...request.headers, host: "127.0.0.1" };
    const forward = this.backend.forward(
      request.method ?? "GET",
      request.url ?? "/",
      headers,
      body ?? (request as AsyncIterable<Buffer>),
    );
    // A call that waits for changes ends with its session.
    let end: () => void = () => undefined;
    const expired = new Promise<null>((resolve) => {
      end = () => resolve(null);
    });
    this.#expiry.set(end, this.#cookieOf(request));
    const from = await Promise.race([forward, expired]).finally(() => this.#expiry.delete(end));
    if (from === null) {
      forward.catch(() => undefined);
      this.#fault(response, "NotAuthenticated", "The session is not authenticated.");
      return;
    }
    const cookie = from.headers["set-cookie"]?.[0]?.split(";")[0];
    if (cookie !== undefined && from.statusCode === 200) this.#sessions.add(cookie);
    response.writeHead(from.statusCode ?? 500, from.headers);
    await pipeline(from, response).catch(() => undefined);
  }

  #cookieOf(request: IncomingMessage): string {
    return /vmware_soap_session=[^;]+/.exec(request.headers.cookie ?? "")?.[0] ?? "";
  }

  #isSignedIn(request: IncomingMessage): boolean {
    return this.#sessions.has(this.#cookieOf(request));
  }

  async #soap(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const chunk of request) parts.push(chunk as Buffer);
    const body = Buffer.concat(parts);
    const call = bodyOf(parseXml(body.toString("utf8")));
    if (call === null) return void response.writeHead(400).end();
    const self = { type: at(call, "_this")?.attributes?.["type"] ?? "", id: textAt(call, "_this") ?? "" };
    await this.#listener?.(call.name, self);
    const failure = this.#failures.findIndex((each) => each.method === call.name);
    if (failure >= 0) {
      const [{ fault, words } = { fault: "RuntimeFault", words: "" }] = this.#failures.splice(failure, 1);
      return this.#fault(response, fault, words);
    }
    if (this.#restricted && NOT_FREE.test(call.name))
      return this.#fault(
        response,
        "RestrictedVersion",
        "Current license or ESXi version prohibits execution of the requested operation.",
      );
    const waiting = [...this.#held].find(([, each]) => each.method === call.name && each.state === "waiting");
    if (waiting !== undefined) {
      const [task, held] = waiting;
      held.state = "running";
      return this.#reply(response, call.name, xml`<returnval type="Task">${task}</returnval>`);
    }
    if (call.name === "Logout") this.#sessions.delete(this.#cookieOf(request));
    if (call.name === "ImportVApp" && this.#isSignedIn(request)) return this.#import(request, response, body);
    const own = await this.#own(call, self, request);
    if (own === null) return this.#pass(request, response, body);
    if ("fault" in own) return this.#fault(response, own.fault, own.words);
    this.#reply(response, call.name, own.result);
  }

  #fault(response: ServerResponse, fault: string, words: string): void {
    const detail = new XmlText(`<${fault}Fault xmlns="urn:vim25" xsi:type="${fault}"/>`);
    response.writeHead(500, { "content-type": "text/xml; charset=utf-8" });
    response.end(
      envelope(
        xml`<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>${words}</faultstring><detail>${detail}</detail></soapenv:Fault>`,
      ),
    );
  }

  #reply(response: ServerResponse, method: string, result: XmlText): void {
    response.writeHead(200, { "content-type": "text/xml; charset=utf-8" });
    response.end(envelope(new XmlText(`<${method}Response xmlns="urn:vim25">${result.text}</${method}Response>`)));
  }

  /** Null: vcsim does it. */
  async #own(
    call: Element,
    self: Moref,
    request: IncomingMessage,
  ): Promise<{ result: XmlText } | { fault: string; words: string } | null> {
    const signedIn = this.#isSignedIn(request);
    const nobody = { fault: "NotAuthenticated", words: "The session is not authenticated." };
    const gone = {
      fault: "ManagedObjectNotFound",
      words: "The object has already been deleted or has not been completely created",
    };
    switch (call.name) {
      case "ExportVm":
      case "ExportSnapshot":
        return signedIn ? this.#export(self, this.#cookieOf(request)) : nobody;
      case "CreateDescriptor":
        return {
          result: xml`<returnval><ovfDescriptor>${`<?xml version="1.0"?><Envelope><VirtualSystem id="${textAt(call, "obj") ?? ""}"/></Envelope>`}</ovfDescriptor></returnval>`,
        };
      case "HttpNfcLeaseProgress":
      case "HttpNfcLeaseComplete":
      case "HttpNfcLeaseAbort": {
        if (!signedIn) return nobody;
        const lease = this.#leases.get(self.id);
        if (lease === undefined) return gone;
        if (lease.state !== "ready")
          return { fault: lease.error?.fault ?? "InvalidState", words: lease.error?.words ?? "The lease is over." };
        if (call.name === "HttpNfcLeaseProgress") lease.progress(numberAt(call, "percent") ?? 0);
        else if (call.name === "HttpNfcLeaseAbort")
          await this.#drop(lease, "RequestCanceled", "The lease was given up.");
        else if (lease.kind === "import" && lease.files.some((file) => !file.arrived))
          return { fault: "InvalidState", words: "Not all files of the lease have arrived." };
        else lease.state = "done";
        return { result: xml`` };
      }
      case "Fetch": {
        const lease = this.#leases.get(self.id);
        if (lease === undefined) return null;
        if (!signedIn) return nobody;
        const value = lease.value(textAt(call, "prop") ?? "", this.#leaseHost());
        return { result: value === null ? xml`` : new XmlText(`<returnval${value.text}</returnval>`) };
      }
      case "RetrieveProperties":
      case "RetrievePropertiesEx": {
        const spec = at(call, "specSet");
        const id = textAt(spec, "objectSet", "obj") ?? "";
        if (this.#restricted && textAt(spec, "propSet", "type") === "LicenseManager")
          return { result: freeLicence(id) };
        const held = this.#held.get(id);
        if (held !== undefined) {
          const info = new XmlText(
            `<val xsi:type="TaskInfo"><key>${id}</key><state>${held.state}</state>${held.state === "running" ? `<progress>${held.percent}</progress>` : ""}</val>`,
          );
          return {
            result: xml`<returnval><objects><obj type="Task">${id}</obj><propSet><name>info</name>${info}</propSet></objects></returnval>`,
          };
        }
        const lease = this.#leases.get(id);
        if (lease === undefined) return id.startsWith("nfc-") ? (signedIn ? gone : nobody) : null;
        if (!signedIn) return nobody;
        const object = xml`<obj type="HttpNfcLease">${lease.id}</obj>${this.#values(lease, pathsOf(spec), "propSet", "val")}`;
        return {
          result:
            call.name === "RetrieveProperties"
              ? xml`<returnval>${object}</returnval>`
              : xml`<returnval><objects>${object}</objects></returnval>`,
        };
      }
      case "CreateFilter": {
        const spec = at(call, "spec");
        const lease = this.#leases.get(textAt(spec, "objectSet", "obj") ?? "");
        if (lease === undefined) return null;
        if (!signedIn) return nobody;
        this.#count += 1;
        const filter = `nfc-filter-${this.#count}`;
        this.#filters.set(self.id, { filter, lease, paths: pathsOf(spec), seen: "" });
        return { result: xml`<returnval type="PropertyFilter">${filter}</returnval>` };
      }
      case "DestroyPropertyFilter": {
        const found = [...this.#filters].find(([, each]) => each.filter === self.id);
        if (found === undefined) return null;
        this.#filters.delete(found[0]);
        return { result: xml`` };
      }
      case "WaitForUpdates":
      case "WaitForUpdatesEx":
        return this.#filters.has(self.id)
          ? this.#waitForLease(self.id, numberAt(call, "options", "maxWaitSeconds"))
          : null;
      case "CancelTask": {
        const held = this.#held.get(self.id);
        if (held === undefined) return null;
        held.cancelled = true;
        return { result: xml`` };
      }
      case "DestroyPropertyCollector":
        this.#filters.delete(self.id);
        return null;
      default:
        return null;
    }
  }

  #values(lease: NfcLease, paths: readonly string[], element: string, inner: string): readonly XmlText[] {
    return paths.flatMap((path) => {
      const value = lease.value(path, this.#leaseHost());
      if (value === null) return [];
      const op = element === "changeSet" ? "<op>assign</op>" : "";
      const name = xml`<name>${path}</name>`.text;
      return [
        new XmlText(
          `<${element}>${element === "changeSet" ? `${name}${op}` : name}<${inner}${value.text}</${inner}></${element}>`,
        ),
      ];
    });
  }

  async #waitForLease(collector: string, maxWait: number | null): Promise<{ result: XmlText }> {
    const until = Date.now() + (maxWait ?? 600) * 1000;
    for (;;) {
      const filter = this.#filters.get(collector);
      if (filter === undefined) return { result: xml`` };
      const now = `${filter.lease.state} ${filter.lease.percent}`;
      if (now !== filter.seen) {
        const kind = filter.seen === "" ? "enter" : "modify";
        filter.seen = now;
        const set = this.#values(filter.lease, filter.paths, "changeSet", "val");
        return {
          result: xml`<returnval><version>${now}</version><filterSet><filter type="PropertyFilter">${filter.filter}</filter><objectSet><kind>${kind}</kind><obj type="HttpNfcLease">${filter.lease.id}</obj>${set}</objectSet></filterSet></returnval>`,
        };
      }
      if (Date.now() >= until) return { result: xml`` };
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** vcsim makes the VM and a lease whose uploads it would drop; ours takes the place of that lease. */
  async #import(request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<void> {
    const cookie = this.#cookieOf(request);
    const from = await this.backend.forward(
      "POST",
      request.url ?? "/sdk",
      { ...request.headers, host: "127.0.0.1" },
      body,
    );
    const parts: Buffer[] = [];
    for await (const chunk of from) parts.push(chunk as Buffer);
    const answer = Buffer.concat(parts);
    const theirs = textAt(bodyOf(parseXml(answer.toString("utf8"))) ?? undefined, "returnval");
    if (from.statusCode !== 200 || theirs === null) {
      response.writeHead(from.statusCode ?? 500, { "content-type": "text/xml; charset=utf-8" }).end(answer);
      return;
    }
    const old = { type: "HttpNfcLease", id: theirs };
    const info = await this.backend.property(old, "info", cookie);
    const vm = { type: "VirtualMachine", id: textAt(info, "entity") ?? "" };
    const disks = await this.#disksOf(vm);
    const files: LeaseFile[] = [];
    for (const url of all(info, "deviceUrl")) {
      const isDisk = textAt(url, "disk") === "true";
      const disk = isDisk ? disks[files.filter((file) => file.isDisk).length] : undefined;
      const name = decodeURIComponent((textAt(url, "url") ?? "").split("/").at(-1) ?? "");
      const file = disk ?? {
        key: textAt(url, "key") ?? "",
        targetId: name,
        isDisk,
        path: join(this.#folder, name),
        capacity: 0,
      };
      files.push({ ...file, importKey: textAt(url, "importKey") ?? "", targetId: name, arrived: false });
    }
    await this.backend.call("HttpNfcLeaseComplete", old, xml``, cookie);
    const lease = new NfcLease({ kind: "import", vm, cookie, files, timeoutMs: this.#leaseMs });
    this.#begin(lease);
    this.#reply(response, "ImportVApp", xml`<returnval type="HttpNfcLease">${lease.id}</returnval>`);
  }

  async #export(self: Moref, cookie: string): Promise<{ result: XmlText } | { fault: string; words: string }> {
    const isSnapshot = self.type === "VirtualMachineSnapshot";
    const owner = isSnapshot ? await this.backend.property(self, "vm").catch(() => undefined) : undefined;
    const vm = isSnapshot ? { type: "VirtualMachine", id: owner?.text ?? "" } : self;
    const power = await this.backend.property(vm, "runtime.powerState").catch(() => undefined);
    if (power === undefined)
      return {
        fault: "ManagedObjectNotFound",
        words: "The object has already been deleted or has not been completely created",
      };
    if (!isSnapshot && power.text !== "poweredOff")
      return {
        fault: "InvalidPowerState",
        words: "The attempted operation cannot be performed in the current state (Powered on).",
      };
    if (
      [...this.#leases.values()].some(
        (each) => each.vm.id === vm.id && (each.state === "ready" || each.state === "initializing"),
      )
    )
      return {
        fault: "TaskInProgress",
        words: "The operation is not allowed in the current state: another export runs.",
      };
    const lease = new NfcLease({
      kind: "export",
      vm,
      cookie,
      files: await this.#disksOf(vm),
      timeoutMs: this.#leaseMs,
    });
    this.#begin(lease);
    return { result: xml`<returnval type="HttpNfcLease">${lease.id}</returnval>` };
  }

  #begin(lease: NfcLease): void {
    this.#leases.set(lease.id, lease);
    setTimeout(() => {
      if (lease.state !== "initializing") return;
      lease.state = "ready";
      lease.progress(0);
    }, 50);
  }

  async #disksOf(vm: Moref): Promise<LeaseFile[]> {
    const devices = all(await this.backend.property(vm, "config.hardware.device"), "VirtualDevice");
    const files: LeaseFile[] = [];
    for (const device of devices) {
      if (device.type !== "VirtualDisk") continue;
      const name = textAt(device, "backing", "fileName") ?? "";
      const controller = devices.find((each) => textAt(each, "key") === textAt(device, "controllerKey"));
      const index = files.length;
      files.push({
        key: `/${vm.id}/${controller?.type ?? "VirtualController"}${textAt(controller, "busNumber") ?? 0}:${textAt(device, "unitNumber") ?? index}`,
        importKey: "",
        targetId: `disk-${index}.vmdk`,
        isDisk: true,
        path: (await this.path(name)).replace(/\.vmdk$/, "-flat.vmdk"),
        capacity: numberAt(device, "capacityInBytes") ?? (numberAt(device, "capacityInKB") ?? 0) * 1024,
        arrived: true,
      });
    }
    return files;
  }

  /** Over without success: what an import had made is removed. */
  async #drop(lease: NfcLease, fault: string, words: string): Promise<void> {
    if (lease.state === "done" || lease.state === "error") return;
    lease.fail(fault, words);
    if (lease.kind === "import") await this.backend.task("Destroy_Task", lease.vm, xml``).catch(() => undefined);
  }

  async #expireLeases(): Promise<void> {
    for (const lease of this.#leases.values())
      if (lease.overdue) await this.#drop(lease, "Timedout", "The lease has timed out.");
  }

  async #nfc(request: IncomingMessage, response: ServerResponse, url: string): Promise<void> {
    const [, , id = "", index = ""] = url.split("/");
    const lease = this.#leases.get(id);
    const file = lease?.files[Number(index)];
    if (lease?.state !== "ready" || file === undefined) return void response.writeHead(404).end();
    this.#count += 1;
    const scratch = join(this.#folder, `transfer-${this.#count}`);
    // A lease that is over cuts its transfers.
    const watch = setInterval(() => {
      if (lease.state === "error") (request.socket as Socket | null)?.destroy();
    }, SWEEP_MS);
    try {
      if (request.method === "GET" && lease.kind === "export") {
        await packDisk(file.path, file.capacity, scratch);
        response.writeHead(200, { "content-type": "application/x-vnd.vmware-streamVmdk" });
        await pipeline(this.#paced(createReadStream(scratch)), response);
      } else if ((request.method === "POST" || request.method === "PUT") && lease.kind === "import") {
        if (file.isDisk && request.headers["content-type"] !== "application/x-vnd.vmware-streamVmdk")
          return void response.writeHead(415).end();
        if (this.#drops) {
          request.resume();
          await once(request, "end");
        } else {
          const path = file.isDisk ? scratch : file.path;
          await receive(this.#paced(request as AsyncIterable<Buffer>), path, this.#uploadLimit);
          if (file.isDisk) await unpackDisk(scratch, file.capacity, file.path);
        }
        file.arrived = true;
        response.writeHead(201).end();
      } else response.writeHead(405).end();
    } catch (error) {
      if (String(error).includes("ENOSPC")) lease.fail("NoDiskSpace", "Insufficient disk space on datastore ''.");
      else lease.fail("FileFault", `The transfer failed: ${error instanceof Error ? error.message : ""}`);
      if (lease.kind === "import") await this.backend.task("Destroy_Task", lease.vm, xml``).catch(() => undefined);
      if (response.headersSent || request.socket.destroyed) request.socket.destroy();
      else response.writeHead(500, { connection: "close" }).end(lease.error?.words ?? "");
    } finally {
      clearInterval(watch);
      await rm(scratch, { force: true });
    }
  }

  async *#paced(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of body) {
      if (this.#rate !== null)
        await new Promise((resolve) => setTimeout(resolve, (chunk.length / (this.#rate ?? 1)) * 1000));
      yield chunk;
    }
  }

  async #folderFile(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const basic = `Basic ${Buffer.from(`${this.user}:${this.password}`).toString("base64")}`;
    if (!this.#isSignedIn(request) && request.headers.authorization !== basic)
      return void response.writeHead(401, { "www-authenticate": 'Basic realm="VMware HTTP server"' }).end();
    await this.#pass(request, response, null);
  }
}

function pathsOf(spec: Element | undefined): readonly string[] {
  return all(at(spec, "propSet"), "pathSet").map((path) => path.text);
}
