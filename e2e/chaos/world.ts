/** An installation to break: a console, perhaps workers, its five simulated hosts and two images. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { scriptApi, signInByApi, until, type ScriptApi } from "../helpers/api.ts";
import { ADMIN } from "../helpers/console.ts";
import { settled, type ImageAnswer } from "../helpers/image.ts";
import { demoHosts, type HostAnswer } from "../helpers/stage.ts";
import { freePort, startProgram, type Program } from "./processes.ts";
import type { Run } from "./scenario.ts";

export interface RequestAnswer {
  readonly id: string;
  readonly number: number;
  readonly status: string;
  readonly targets: readonly {
    readonly status: string;
    readonly jobId: string | null;
    readonly stages?: readonly { readonly id: string; readonly state: string }[];
    readonly error: { readonly code: string; readonly message: string } | null;
    readonly receipt: { readonly equal: boolean; readonly vmRef: string } | null;
  }[];
}

const ENDED = ["succeeded", "failed", "cancelled", "partly", "denied"];

export const isEnded = (request: RequestAnswer): boolean => ENDED.includes(request.status);

/** What a request is doing: its running stage, or its state. */
export function doing(request: RequestAnswer): string {
  const target = request.targets[0];
  if (isEnded(request) || target === undefined) return request.status;
  return target.stages?.findLast((stage) => stage.state === "running")?.id ?? target.status;
}

export interface World {
  readonly dataDir: string;
  readonly url: string;
  readonly databaseUrl: string | null;
  /** Signed in; its token outlives restarts. */
  readonly api: ScriptApi;
  readonly hosts: readonly HostAnswer[];
  readonly big: ImageAnswer;
  readonly small: ImageAnswer;
  console(): Program;
  workers(): readonly Program[];
  /** Starts the console again on the same folder and port. Answers with the milliseconds until it was ready. */
  startConsole(env?: Record<string, string>): Promise<number>;
  /** In the place of the one of that number, or as another one. */
  startWorker(number?: number): Program;
  /** Asks for one VM on one host, approval waived. */
  deploy(image: ImageAnswer, host: HostAnswer, name: string): Promise<RequestAnswer>;
  request(id: string): Promise<RequestAnswer>;
  /** Throws with the last answer when it has not ended by then. */
  ended(id: string, timeoutMs?: number): Promise<RequestAnswer>;
  /** Waits until the request is in one of the stages, or has ended. */
  inStage(id: string, ...stages: readonly string[]): Promise<string>;
}

export interface WorldOptions {
  readonly databaseUrl?: string;
  readonly workers?: number;
  /** Settings of every process. */
  readonly env?: Readonly<Record<string, string>>;
}

export async function isReady(url: string): Promise<boolean> {
  return fetch(`${url}/api/v1/health`, { signal: AbortSignal.timeout(2000) }).then(
    (response) => response.ok,
    () => false,
  );
}

export async function makeWorld(run: Run, options: WorldOptions = {}): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "supravisor-chaos-"));
  run.cleanUp(() => rmSync(folder, { recursive: true, force: true }));
  const dataDir = join(folder, "data");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const databaseUrl = options.databaseUrl ?? null;
  const shared = { ...options.env, ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }) };
  let console_: Program | null = null;
  const workers: Program[] = [];
  run.cleanUp(async () => {
    await Promise.all([console_, ...workers].map((each) => each?.end("SIGKILL")));
  });
  let starts = 0;
  const startConsole = async (env: Record<string, string> = {}): Promise<number> => {
    const began = Date.now();
    starts += 1;
    const program = startProgram({
      command: "start",
      dataDir,
      log: join(folder, `console-${starts}.log`),
      env: {
        PORT: String(port),
        SUPRAVISOR_ADMIN_EMAIL: ADMIN.email,
        SUPRAVISOR_ADMIN_PASSWORD: ADMIN.password,
        ...shared,
        ...env,
      },
    });
    console_ = program;
    const deadline = began + 240_000;
    while (!(await isReady(url))) {
      if (program.isGone()) throw new Error(`the console ended:\n${program.output().slice(-3000)}`);
      if (Date.now() > deadline) throw new Error(`the console is not ready:\n${program.output().slice(-3000)}`);
      await sleep(100);
    }
    return Date.now() - began;
  };
  await startConsole();
  const signedIn = await signInByApi(url, ADMIN.email, ADMIN.password);
  const api = patient(scriptApi(url, signedIn.token));
  const startWorker = (number = workers.length): Program => {
    starts += 1;
    const log = join(folder, `worker-${starts}.log`);
    const program = startProgram({ command: "worker", dataDir, log, env: shared });
    workers[number] = program;
    return program;
  };
  for (let count = 0; count < (options.workers ?? 0); count += 1) startWorker();
  await api.ok("PATCH", "/settings", { waiveApproval: true, importFolders: [run.images.folder] });
  await api.ok("POST", "/hosts/demo", {});
  const hosts = await demoHosts(api);
  const importImage = async (path: string): Promise<ImageAnswer> => {
    const { image } = await api.ok<{ image: ImageAnswer }>("POST", "/images/import-folder", { path });
    return settled(api, image.id);
  };
  const big = await importImage(run.images.big);
  const small = await importImage(run.images.small);
  const choices = new Map<string, object>();
  const request = (id: string) => api.ok<RequestAnswer>("GET", `/requests/${id}`);
  return {
    dataDir,
    url,
    databaseUrl,
    api,
    hosts,
    big,
    small,
    console() {
      if (console_ === null) throw new Error("no console was started");
      return console_;
    },
    workers: () => workers,
    startConsole,
    startWorker,
    async deploy(image, host, name) {
      const versionId = image.latest.id;
      const key = `${host.id} ${versionId}`;
      const choice =
        choices.get(key) ??
        (await api.ok<object>("POST", "/preflight/defaults", { imageVersionId: versionId, hostId: host.id }));
      choices.set(key, choice);
      return api.ok<RequestAnswer>("POST", "/requests", {
        imageVersionId: versionId,
        targets: [{ ...choice, name }],
        note: "",
        idempotencyKey: crypto.randomUUID(),
      });
    },
    request,
    ended: (id, timeoutMs = 120_000) => until(`the end of request ${id}`, () => request(id), isEnded, timeoutMs),
    async inStage(id, ...stages) {
      const seen = await until(
        `request ${id} in ${stages.join(" or ")}`,
        () => request(id),
        (answer) => isEnded(answer) || stages.includes(doing(answer)),
        60_000,
      );
      return doing(seen);
    },
  };
}

/** Reads are asked again while the console or its database is away; what changes something is asked once. */
function patient(api: ScriptApi): ScriptApi {
  const call: ScriptApi["call"] = async <T>(method: string, path: string, body?: unknown) => {
    const deadline = Date.now() + 90_000;
    for (;;) {
      try {
        const answer = await api.call<T>(method, path, body);
        if (method !== "GET" || answer.status < 500 || Date.now() > deadline) return answer;
      } catch (error) {
        if (method !== "GET" || Date.now() > deadline) throw error;
      }
      await sleep(200);
    }
  };
  return {
    token: api.token,
    call,
    async ok<T>(method: string, path: string, body?: unknown): Promise<T> {
      const answer = await call<T>(method, path, body);
      if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.json)}`);
      return answer.json;
    },
  };
}

interface DemoState {
  readonly vms: readonly { readonly name: string; readonly disks: readonly { readonly source: string | null }[] }[];
}

const demoState = (folder: string): DemoState =>
  JSON.parse(readFileSync(join(folder, "state.json"), "utf8")) as DemoState;

/** Files on the simulated hosts that no VM owns. */
export function orphans(dataDir: string): string[] {
  const demo = join(dataDir, "demo");
  if (!existsSync(demo)) return [];
  return readdirSync(demo).flatMap((vendor) => {
    const folder = join(demo, vendor);
    const owned = new Set(demoState(folder).vms.flatMap((vm) => vm.disks.map((disk) => basename(disk.source ?? ""))));
    const pools = readdirSync(join(folder, "pools"), { recursive: true, withFileTypes: true });
    return pools.filter((entry) => entry.isFile() && !owned.has(entry.name)).map((entry) => join(vendor, entry.name));
  });
}

/** VMs of that name on the simulated host, each with the paths of its disks. */
export function vmsCalled(dataDir: string, vendor: string, name: string): string[][] {
  const folder = join(dataDir, "demo", vendor);
  const files = readdirSync(join(folder, "pools"), { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
  return demoState(folder)
    .vms.filter((vm) => vm.name === name)
    .map((vm) =>
      vm.disks.flatMap((disk) =>
        files.filter((file) => file.name === basename(disk.source ?? "")).map((f) => join(f.parentPath, f.name)),
      ),
    );
}
