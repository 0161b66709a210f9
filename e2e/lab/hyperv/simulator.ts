/**
 * A Hyper-V host for tests: WinRM over HTTP (NTLM, sealed) and HTTPS, the CIM classes that clients read, methods that take
 * time, remote shells that really run curl and certutil in a folder, disks with real bytes. No real Hyper-V can run
 * here; what this one says is checked by clients that others wrote.
 */
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CimStore } from "./cim-store.ts";
import { CLASSES } from "./classes.ts";
import { Enumerations } from "./enumerations.ts";
import { Jail } from "./jail.ts";
import { Jobs } from "./jobs.ts";
import type { KerberosAcceptor } from "./kerberos-acceptor.ts";
import { Machines, refusing } from "./machines.ts";
import { HostPrograms } from "./programs.ts";
import { RemoteShells } from "./remote-shells.ts";
import { type Seeded, seedHost } from "./seed.ts";
import { Snapshots } from "./snapshots.ts";
import { type Parents, virtualDiskMethods } from "./virtual-disks.ts";
import { Fault, type WsmanCall, type WsmanReply, WsmanServer } from "./wsman-server.ts";

const CLUSTER = "root/mscluster";

/** Why there can be no simulator here, or null. */
export function whyNoHyperv(): string | null {
  for (const program of ["/usr/bin/openssl", "/usr/bin/qemu-img", "/usr/bin/curl"])
    if (!existsSync(program)) return `${program} is not installed`;
  return null;
}

export class HypervSimulator implements AsyncDisposable {
  readonly user = "Administrator";
  readonly password = "Correct-Horse-7";
  readonly folder: string;
  readonly jail: Jail;
  readonly store = new CimStore(CLASSES);
  readonly jobs = new Jobs(this.store);
  readonly machines: Machines;
  readonly snapshots: Snapshots;
  readonly programs: HostPrograms;
  readonly shells: RemoteShells;
  readonly seeded: Seeded;
  readonly parents: Parents = new Map();
  /** Null: it is in no domain. */
  kerberos: Pick<KerberosAcceptor, "accept"> | null = null;
  /** PEM file of the HTTPS listener. */
  readonly certificateFile: string;
  /** SHA-256 of it, 64 hex digits. */
  readonly fingerprint: string;
  readonly #enumerations: Enumerations;
  readonly #http: WsmanServer;
  readonly #https: WsmanServer;
  httpPort = 0;
  httpsPort = 0;
  /** The account may sign in, and do nothing. */
  withoutRights = false;
  /** Calls so far, by what they did. */
  readonly calls = new Map<string, number>();

  /** `base`: folder that it makes its own in. */
  constructor(base = tmpdir()) {
    this.folder = mkdtempSync(join(base, "supravisor-hyperv-"));
    const drives = join(this.folder, "drives");
    for (const letter of ["C", "D"]) mkdirSync(join(drives, letter), { recursive: true });
    this.jail = new Jail(drives);
    this.machines = new Machines(this.store, this.jobs, this.jail);
    this.snapshots = new Snapshots(this.machines);
    this.programs = new HostPrograms(this.jail);
    this.shells = new RemoteShells(this.programs);
    this.store.absent.add(CLUSTER);
    this.seeded = seedHost(this.store, this.jail);
    const methods = new Map(
      [
        ...this.machines.methods(),
        ...this.snapshots.methods(),
        ...virtualDiskMethods(this.jail, this.jobs, this.parents),
      ].map(([name, method]) => [name, refusing(method)] as const),
    );
    this.#enumerations = new Enumerations(this.store, methods);
    const key = join(this.folder, "key.pem");
    this.certificateFile = join(this.folder, "cert.pem");
    execFileSync(
      "openssl",
      [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
        ...["-subj", "/CN=hv-lab", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        ...["-keyout", key, "-out", this.certificateFile],
      ],
      { stdio: "pipe" },
    );
    const cert = readFileSync(this.certificateFile, "utf8");
    this.fingerprint = new X509Certificate(cert).fingerprint256.replaceAll(":", "").toLowerCase();
    const common = {
      hostName: "HV-LAB",
      accounts: [{ user: this.user, password: this.password }],
      basic: true,
      kerberos: () => this.kerberos,
      handle: (call: WsmanCall) => this.#handle(call),
    };
    this.#http = new WsmanServer({ ...common, tls: null });
    this.#https = new WsmanServer({ ...common, tls: { key: readFileSync(key, "utf8"), cert } });
  }

  static async start(base?: string): Promise<HypervSimulator> {
    const simulator = new HypervSimulator(base);
    simulator.httpPort = await simulator.#http.listen();
    simulator.httpsPort = await simulator.#https.listen();
    return simulator;
  }

  async #handle(call: WsmanCall): Promise<WsmanReply> {
    const what = call.action.slice(call.action.lastIndexOf("/") + 1);
    this.calls.set(what, (this.calls.get(what) ?? 0) + 1);
    if (this.withoutRights) throw new Fault("AccessDenied", 5, "Access is denied.");
    return (await this.shells.handle(call)) ?? this.#enumerations.handle(call);
  }

  /** A node of a failover cluster, with one shared volume; machines of these names are its roles. */
  joinCluster(name: string, roles: readonly string[]): void {
    const { store } = this;
    store.absent.delete(CLUSTER);
    store.add("MSCluster_Cluster", { Name: name, Fqdn: `${name}.example` });
    store.add("MSCluster_ResourceGroup", {
      Name: "Cluster Group",
      Id: "1",
      GroupType: 1,
      State: 0,
      OwnerNode: "HV-LAB",
    });
    for (const role of roles)
      store.add("MSCluster_ResourceGroup", { Name: role, Id: role, GroupType: 111, State: 0, OwnerNode: "HV-LAB" });
    store.add("Win32_Volume", {
      DeviceID: "\\\\?\\Volume{csv}\\",
      Name: "C:\\ClusterStorage\\Volume1\\",
      Label: "Shared",
      FileSystem: "CSVFS",
      DriveLetter: null,
      Capacity: 1024 ** 4,
      FreeSpace: 1024 ** 4 / 2,
    });
    this.jail.makeFolder("C:\\ClusterStorage\\Volume1");
  }

  /** All connections end, and with them who had signed in on each. */
  dropConnections(): void {
    this.#http.dropConnections();
    this.#https.dropConnections();
  }

  /** Shells do not outlive the service. */
  restartWinRm(): void {
    this.dropConnections();
    this.shells.forget();
  }

  /** The next requests end with their connection, unanswered. */
  breakNext(requests: number): void {
    this.#http.breakNext = requests;
    this.#https.breakNext = requests;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
    await this.#https[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
