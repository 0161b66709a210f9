/** The console under attack, with people, simulated hosts and an image; and how an attack speaks to it. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Role } from "#lib/domain/role.ts";
import { until } from "#e2e/helpers/api.ts";
import { ADMIN, startConsole, type ConsoleUnderTest } from "#e2e/helpers/console.ts";
import { ask, closeConnections, type Answer, type Ask } from "./ask.ts";
import { seedExpiredToken } from "./seed.ts";
import { ownPage, signInByBrowser } from "./sessions.ts";
import { Tally } from "./tally.ts";

export interface Person {
  readonly id: string;
  readonly email: string;
  readonly password: string;
  readonly name: string;
  readonly role: Role;
  /** Of a personal token with the whole role. */
  readonly token: string;
}

export interface Asking extends Ask {
  /** Whose token goes along. */
  readonly as?: Person | string;
  /** The answer shows a secret once, by design. */
  readonly showsSecret?: boolean;
}

/** Stands in the names of things that strangers must not see. */
export const CANARY = `canary-${randomBytes(6).toString("hex")}`;

const fakeNames = join(import.meta.dirname, "..", "network", "fake-names.ts");

export class Bench {
  readonly tally = new Tally();
  readonly console: ConsoleUnderTest;
  readonly folder = mkdtempSync(join(tmpdir(), "supravisor-attack-"));
  readonly short: boolean;
  readonly expiredToken: string;
  admin!: Person;
  operator!: Person;
  requester!: Person;
  auditor!: Person;
  hosts: readonly { readonly id: string; readonly name: string; readonly vendor: string }[] = [];
  image!: { readonly id: string; readonly versionId: string; readonly diskId: string };
  /** Secrets that no answer may hold, by name. */
  readonly secrets = new Map<string, string>();
  /** Where one of them was seen. */
  readonly leaks: string[] = [];
  #addresses = 0;
  #people = 0;

  private constructor(target: ConsoleUnderTest, expiredToken: string, short: boolean) {
    this.console = target;
    this.expiredToken = expiredToken;
    this.short = short;
  }

  static async set(short: boolean): Promise<Bench> {
    let expired = "";
    const target = await startConsole({
      env: consoleEnvironment(),
      prepare: async (dataDir) => void (expired = await seedExpiredToken(dataDir)),
    });
    const bench = new Bench(target, expired, short);
    try {
      await bench.#furnish();
    } catch (error) {
      await bench.end();
      throw error;
    }
    return bench;
  }

  get url(): string {
    return this.console.url;
  }

  async #furnish(): Promise<void> {
    const token = await this.login(ADMIN);
    const me = await this.api("GET", "/session", { as: token });
    const { id } = (me.json as { user: { id: string } }).user;
    this.admin = { id, ...ADMIN, role: "administrator", token };
    this.operator = await this.newPerson("operator");
    this.requester = await this.newPerson("requester");
    this.auditor = await this.newPerson("auditor");
    await this.ok("POST", "/hosts/demo", { as: this.admin, body: {} });
    const { items } = await until(
      "simulated hosts online",
      () =>
        this.ok<{ items: { id: string; name: string; vendor: string; state: string }[] }>("GET", "/hosts", {
          as: this.admin,
        }),
      (answer) => answer.items.filter((host) => host.state === "online").length === 5,
    );
    this.hosts = items;
    const disk = Buffer.alloc(256 * 1024);
    disk.write(`${CANARY} first block`);
    const imageId = await this.upload(this.operator, `${CANARY}.raw`, disk, { from: "raw" });
    const image = await this.settledImage(imageId);
    if (image.latest.state !== "ready") throw new Error(`the bench's image is ${JSON.stringify(image.latest.error)}`);
    this.image = { id: imageId, versionId: image.latest.id, diskId: image.latest.disks[0]!.id };
  }

  /** A loopback address that nobody has used yet: limits per address begin anew. */
  address(): string {
    this.#addresses += 1;
    return `127.9.${this.#addresses >> 8}.${this.#addresses & 255 || 1}`;
  }

  async login(person: { email: string; password: string }, from = this.address()): Promise<string> {
    const answer = await ask(this.url, "POST", "/api/v1/login", {
      from,
      body: { email: person.email, password: person.password, name: "attack" },
    });
    const secret = (answer.json as { secret?: string } | null)?.secret;
    if (secret === undefined) throw new Error(`login as ${person.email}: ${answer.status} ${answer.text}`);
    return secret;
  }

  async newPerson(role: Role, name?: string): Promise<Person> {
    this.#people += 1;
    const email = `person${this.#people}@example.test`;
    const password = `long enough for ${role} ${randomBytes(4).toString("hex")}`;
    const body = { email, password, role, name: name ?? `Person ${this.#people} ${CANARY}` };
    const { id } = await this.ok<{ id: string }>("POST", "/users", { as: this.admin, body });
    return { id, ...body, token: await this.login(body) };
  }

  /** Headers of a browser that this person has signed in with, on our own page. */
  async browser(person: { email: string; password: string }): Promise<Record<string, string>> {
    const { cookie, outcome, answer } = await signInByBrowser(this.url, person, this.address());
    if (cookie === null) throw new Error(`browser sign-in of ${person.email}: ${outcome} ${answer.text}`);
    return ownPage(this.url, cookie);
  }

  /** `path` below /api/v1. */
  async api(method: string, path: string, { as, showsSecret, ...options }: Asking = {}): Promise<Answer> {
    const token = typeof as === "string" ? as : as?.token;
    const answer = await ask(this.url, method, `/api/v1${path}`, {
      ...options,
      headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...options.headers },
    });
    if (showsSecret !== true) this.watch(`${method} ${path}`, answer);
    return answer;
  }

  watch(where: string, answer: Answer): void {
    for (const [name, value] of this.secrets)
      if (answer.text.includes(value) || JSON.stringify(answer.headers).includes(value))
        this.leaks.push(`${name} in the answer of ${where}`);
  }

  /** The JSON of an answer that has to be a success: for what an attack needs and does not test. */
  async ok<T>(method: string, path: string, options: Asking = {}): Promise<T> {
    const answer = await this.api(method, path, options);
    if (answer.status < 200 || answer.status >= 300)
      throw new Error(`${method} ${path}: ${answer.status} ${answer.code ?? ""} ${answer.text.slice(0, 500)}`);
    return answer.json as T;
  }

  /** Begins and fills an upload. Answers the image's id; throws when it is refused. */
  async upload(as: Person, fileName: string, bytes: Uint8Array, more: Record<string, string> = {}): Promise<string> {
    const begun = await this.beginUpload(as, fileName, bytes.length, more);
    if (begun.status !== 201) throw new Error(`upload of ${JSON.stringify(fileName)}: ${begun.status} ${begun.text}`);
    const sent = await ask(this.url, "PATCH", begun.headers.location ?? "", {
      raw: bytes,
      headers: {
        authorization: `Bearer ${as.token}`,
        "tus-resumable": "1.0.0",
        "upload-offset": "0",
        "content-type": "application/offset+octet-stream",
      },
    });
    const id = sent.headers["supravisor-image"];
    if (typeof id !== "string") throw new Error(`upload of ${fileName}: ${sent.status} ${sent.text}`);
    return id;
  }

  beginUpload(as: Person, fileName: string, length: number, more: Record<string, string> = {}): Promise<Answer> {
    const metadata = Object.entries({ filename: fileName, ...more })
      .map(([key, value]) => `${key} ${Buffer.from(value).toString("base64")}`)
      .join(",");
    return this.api("POST", "/uploads", {
      as,
      headers: { "tus-resumable": "1.0.0", "upload-length": String(length), "upload-metadata": metadata },
    });
  }

  settledImage(id: string): Promise<SettledImage> {
    return until(
      `image ${id}`,
      () => this.ok<SettledImage>("GET", `/images/${id}`, { as: this.admin }),
      (image) => ["ready", "failed"].includes(image.latest.state),
      120_000,
    );
  }

  log(): string {
    return readFileSync(this.console.logFile, "utf8");
  }

  async end(): Promise<void> {
    closeConnections();
    await this.console.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface SettledImage {
  readonly id: string;
  readonly name: string;
  readonly latest: {
    readonly id: string;
    readonly state: string;
    readonly error: { code: string; message: string } | null;
    readonly disks: readonly { readonly id: string; readonly fileName: string | null }[];
  };
}

/** Loopback only, everything logged, and names of `.attack.example` answered by the suite itself. */
export function consoleEnvironment(): Record<string, string> {
  return { HOSTNAME_BIND: "127.0.0.1", SUPRAVISOR_LOG: "trace", NODE_OPTIONS: `--import=${fakeNames}` };
}
