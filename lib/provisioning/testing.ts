/** A console in one process for tests: simulated hosts, an image in the library, and a runner that tests can hold at a stage. */
import { randomFillSync, randomUUID } from "node:crypto";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asc, eq } from "drizzle-orm";
import { hosts, imageVersions, jobs, ledger, requests, requestTargets, settings } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import type { HostConnection } from "#lib/domain/connection.ts";
import type { Vendor } from "#lib/domain/hardware.ts";
import type { TargetChoice } from "#lib/domain/request.ts";
import { AppError } from "#lib/errors.ts";
import { setFaults, type DemoFaults } from "#lib/hypervisor/demo/faults.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import { startInventorySync } from "#lib/inventory/sync.ts";
import type { WaitLimits } from "#lib/jobs/host-wait.ts";
import type { OpenJobQueue } from "#lib/jobs/queue.ts";
import { startRunner, type JobIO } from "#lib/jobs/runner.ts";
import { analyseHandler } from "#lib/library/jobs/analyse.ts";
import { captureHandler } from "#lib/library/jobs/capture.ts";
import { importHandler } from "#lib/library/jobs/import.ts";
import type { Ctx } from "#lib/services/context.ts";
import { addDemoHosts } from "#lib/services/host/add-demo-hosts.ts";
import { vendorOf } from "#lib/services/host/host-identity.ts";
import { importFromFolder } from "#lib/services/image/import-image.ts";
import { firstChoices } from "#lib/services/preflight/run-preflight.ts";
import { approveRequest } from "#lib/services/request/decide-request.ts";
import { createRequest } from "#lib/services/request/create-request.ts";
import { testPerson } from "#lib/services/testing.ts";
import { deployHandler } from "./job.ts";

type RequestRow = typeof requests.$inferSelect;
type HostRow = typeof hosts.$inferSelect;

/** What a test does to a job: called after each change of a stage, and with each report of progress. */
export interface Interference {
  stage?(id: string, state: string, io: JobIO): Promise<void>;
  /** Answers true to abort the job at once, as a cancel that is heard at this very moment. */
  progress?(report: { readonly done: number; readonly total: number }): boolean;
  /** Before anything of the job runs. */
  begin?(): Promise<void>;
}

export interface Outcome {
  readonly request: RequestRow;
  readonly target: typeof requestTargets.$inferSelect;
  readonly job: typeof jobs.$inferSelect;
  readonly ledger: readonly (typeof ledger.$inferSelect)[];
}

export interface Bench {
  readonly services: TestServices;
  readonly requester: Ctx;
  readonly operator: Ctx;
  readonly versionId: string;
  /** The one folder that may be imported from. */
  readonly incoming: string;
  /** The file that `versionId` was imported from. */
  readonly golden: string;
  host(vendor: Vendor): HostRow;
  /** By the name of the VM. */
  readonly interfere: Map<string, Interference>;
  /** Imports random bytes as a raw image of its own. Answers the version's id. */
  addImage(name: string, size: number): Promise<string>;
  /** Adds a real host that needs no secret, and waits until it is online. */
  addHost(name: string, target: HostConnection): Promise<HostRow>;
  choice(
    where: Vendor | HostRow,
    name: string,
    more?: Partial<TargetChoice>,
    versionId?: string,
  ): Promise<TargetChoice>;
  submit(choice: TargetChoice, versionId?: string): Promise<RequestRow>;
  /** Submits, and approves as another person. */
  deploy(choice: TargetChoice, versionId?: string): Promise<RequestRow>;
  ended(request: Pick<RequestRow, "id">): Promise<Outcome>;
  /** From now on, until the next call: none where nothing is said. */
  faults(vendor: Vendor, faults?: Partial<DemoFaults>): Promise<void>;
  /** Paths of everything that the host's pools hold, finished or not. */
  files(vendor: Vendor): Promise<string[]>;
  vmNames(vendor: Vendor): Promise<string[]>;
  close(): Promise<void>;
}

/** Of a machine that is busy with other things. */
const PATIENCE_MS = 150_000;
const LOOK_MS = 40;

export async function until<T>(what: string, ask: () => Promise<T | null>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (Date.now() > deadline) throw new Error(`${what} did not come within ${PATIENCE_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Hands a job to the product's own handler and lets the test look on, and in. */
function watched(interfere: Map<string, Interference>): typeof deployHandler {
  const run = async (io: JobIO) => {
    const [target] = await io.services.db
      .select()
      .from(requestTargets)
      .where(eq(requestTargets.id, String(io.input["targetId"])));
    const hooks = interfere.get(target?.choice.name ?? "") ?? {};
    const heard = new AbortController();
    await hooks.begin?.();
    return deployHandler.run({
      ...io,
      signal: AbortSignal.any([io.signal, heard.signal]),
      async stage(id, state, label) {
        await io.stage(id, state, label);
        await hooks.stage?.(id, state, io);
      },
      progress(report) {
        io.progress(report);
        if (hooks.progress?.(report) === true)
          heard.abort(new AppError("cancelled", "job.cancelled", "Heard at once."));
      },
    });
  };
  return { ...deployHandler, run };
}

export interface BenchOptions {
  /** By default on a database of its own, in memory. */
  readonly services?: TestServices;
  readonly wait?: Partial<WaitLimits>;
  readonly perHost?: number;
}

export async function deployBench({ wait = {}, perHost, ...options }: BenchOptions = {}): Promise<Bench> {
  const services = options.services ?? (await testServices());
  const operator = await testPerson(services, "operator");
  const requester = await testPerson(services, "requester");
  const interfere = new Map<string, Interference>();
  const incoming = await mkdtemp(join(tmpdir(), "deploy-bench-"));
  await services.db.insert(settings).values({ key: "settings", value: { importFolders: [incoming] } });
  await addDemoHosts(await testPerson(services, "administrator"));
  const sync = await startInventorySync(services);
  const runner = await startRunner(
    services,
    services.jobs as OpenJobQueue,
    {
      "image.analyse": analyseHandler,
      "image.import": importHandler,
      "image.capture": captureHandler,
      deploy: watched(interfere),
    },
    { concurrency: 4, ...(perHost === undefined ? {} : { perHost }), wait: { firstPauseMs: 100, ...wait } },
  );
  const online = await until("five hosts online", async () => {
    const rows = await services.db.select().from(hosts);
    return rows.length === 5 && rows.every((row) => row.state === "online") ? rows : null;
  });

  const addImage = async (name: string, size: number): Promise<string> => {
    const path = join(incoming, `${name}.img`);
    await writeFile(path, randomFillSync(Buffer.alloc(size)));
    const { versionId } = await importFromFolder(operator, {
      path,
      imageId: null,
      name: null,
      from: "raw",
      machine: null,
      configuration: null,
    });
    await until(`image ${name}`, async () => {
      const [row] = await services.db.select().from(imageVersions).where(eq(imageVersions.id, versionId));
      if (row?.state === "failed") throw new Error(JSON.stringify(row.error));
      return row?.state === "ready" ? row : null;
    });
    return versionId;
  };
  const versionId = await addImage("golden", 6 * 1024 ** 2);

  const host = (vendor: Vendor): HostRow => {
    const row = online.find((each) => each.vendor === vendor);
    if (row === undefined) throw new Error(`no host of ${vendor}`);
    return row;
  };
  const submit: Bench["submit"] = (choice, version = versionId) =>
    createRequest(requester, { imageVersionId: version, targets: [choice], note: "", idempotencyKey: randomUUID() });

  return {
    services,
    operator,
    requester,
    versionId,
    incoming,
    golden: join(incoming, "golden.img"),
    host,
    interfere,
    addImage,
    async addHost(name, connection) {
      const [row] = await services.db
        .insert(hosts)
        .values({ name, ...vendorOf(connection), connection })
        .returning();
      if (row === undefined) throw new Error("insert answered without a row");
      services.events.publish({ type: "host", id: row.id });
      await until(`${name} online`, async () => {
        const [now] = await services.db.select().from(hosts).where(eq(hosts.id, row.id));
        return now?.state === "online" ? now : null;
      });
      return row;
    },
    async choice(where, name, more = {}, version = versionId) {
      const { id: hostId } = typeof where === "string" ? host(where) : where;
      const first = await firstChoices(operator, { imageVersionId: version, hostId });
      return { ...first, name, ...more };
    },
    submit,
    async deploy(choice, version) {
      const made = await submit(choice, version);
      return approveRequest(operator, made.id, { planHash: made.planHash, reason: "" });
    },
    ended: ({ id }) =>
      until(`the end of request ${id}`, async () => {
        const [row] = await services.db
          .select({ request: requests, target: requestTargets, job: jobs })
          .from(requests)
          .innerJoin(requestTargets, eq(requestTargets.requestId, requests.id))
          .innerJoin(jobs, eq(jobs.id, requestTargets.jobId))
          .where(eq(requests.id, id));
        if (row === undefined || row.request.finishedAt === null || row.job.finishedAt === null) return null;
        const entries = await services.db
          .select()
          .from(ledger)
          .where(eq(ledger.jobId, row.job.id))
          .orderBy(asc(ledger.seq));
        return { ...row, ledger: entries };
      }),
    faults: (vendor, faults = {}) => setFaults(join(services.dataDir, "demo", vendor), faults),
    async files(vendor) {
      const folder = join(services.dataDir, "demo", vendor, "pools");
      const found: string[] = [];
      for (const name of await readdir(folder, { recursive: true })) {
        if ((await stat(join(folder, name)).catch(() => null))?.isFile()) found.push(join(folder, name));
      }
      return found.sort();
    },
    async vmNames(vendor) {
      await using adapter = await openHost(host(vendor).connection, null, { dataDir: services.dataDir });
      const names: string[] = [];
      for await (const item of adapter.inventory()) if (item.kind === "vm") names.push(item.name);
      return names.sort();
    },
    async close() {
      await runner.close();
      await sync.close();
      await services.close();
      await rm(incoming, { recursive: true, force: true });
    },
  };
}
