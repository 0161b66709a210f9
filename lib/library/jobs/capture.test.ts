/** Two disks of one VM into one version: whatever goes wrong with the second leaves nothing of the first. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { eq } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { hosts, imageDisks, imageVersions, jobs, ledger } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import type { Vm } from "#lib/domain/inventory.ts";
import { AppError, errorToJson } from "#lib/errors.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import type { JobEnd, JobIO } from "#lib/jobs/handler.ts";
import type { Analysis } from "#lib/library/analyse-files.ts";
import { createVersion, type VersionStarted } from "#lib/library/create-version.ts";
import { openLibrary } from "#lib/library/store.ts";
import type { Ctx } from "#lib/services/context.ts";
import { addDemoHosts } from "#lib/services/host/add-demo-hosts.ts";
import { testPerson } from "#lib/services/testing.ts";
import { captureHandler } from "./capture.ts";

const MIB = 1024 ** 2;
/** What the library leaves free for others. */
const RESERVE = 256 * MIB;

let services: TestServices;
let admin: Ctx;
let hostId: string;
/** It runs, and has two disks with 64 KiB of data each. */
let vm: Vm;

beforeAll(async () => {
  services = await testServices();
  admin = await testPerson(services, "administrator");
  const host = (await addDemoHosts(admin)).find(({ vendor }) => vendor === "vmware");
  if (host === undefined) throw new Error("no simulated host");
  hostId = host.id;
  await services.db.update(hosts).set({ state: "online" }).where(eq(hosts.id, hostId));
  await using adapter = await openHost(host.connection, null, { dataDir: services.dataDir });
  for await (const item of adapter.inventory()) if (item.kind === "vm" && item.name === "db-01") vm = item;
});
afterAll(() => services.close());
afterEach(() => vi.restoreAllMocks());

const begin = (): Promise<VersionStarted> =>
  services.db.transaction((tx) =>
    createVersion(tx, services, admin.actor, {
      destination: { imageId: null, name: null, fallbackName: "db" },
      source: {
        kind: "capture",
        hostName: "h",
        vmName: vm.name,
        disk: "both",
        disks: vm.disks.map(({ label }, i) => ({ label, fileName: `disk-${i + 1}.qcow2` })),
      },
      saidFormat: null,
      state: "receiving",
      job: { kind: "image.capture", verb: "Capture", input: () => ({}) },
    }),
  );

interface Try {
  readonly attempt?: number;
  /** What happens when the second disk is on its way. */
  readonly inSecond?: (stop: AbortController) => void;
}

const end = (jobId: string, outcome: JobEnd<Analysis | null>) =>
  services.db.transaction(async (tx) => {
    const [job] = await tx.select().from(jobs).where(eq(jobs.id, jobId));
    if (job !== undefined) await captureHandler.ended?.(tx, job, outcome);
  });

async function run({ versionId, jobId }: VersionStarted, { attempt = 1, inSecond }: Try = {}) {
  const stop = new AbortController();
  const seen: { done: number; total: number }[] = [];
  const io: JobIO = {
    jobId,
    attempt,
    services,
    signal: stop.signal,
    input: {
      versionId,
      hostId,
      vmRef: vm.ref,
      disks: vm.disks.map(({ id }, i) => ({ diskId: id, fileName: `disk-${i + 1}.qcow2` })),
    },
    stage: async () => undefined,
    log: async () => undefined,
    progress: (report) => {
      seen.push(report);
      if (report.done > (vm.disks[0]?.capacity ?? 0)) inSecond?.(stop);
    },
  };
  // As the runner does it: the version ends with its job.
  const code = await captureHandler.run(io).then(
    async (result) => {
      await end(jobId, { state: "succeeded", result });
      return "done";
    },
    async (error: unknown) => {
      const json = errorToJson(error);
      if (json.code !== "worker.stopping")
        await end(jobId, { state: json.code === "job.cancelled" ? "cancelled" : "failed", error: json });
      return json.code;
    },
  );
  return { code, seen };
}

const entriesOf = async ({ jobId }: VersionStarted) =>
  (await services.db.select().from(ledger).where(eq(ledger.jobId, jobId)))
    .map(({ kind, state }) => `${kind} ${state}`)
    .sort();
const versionOf = async ({ versionId }: VersionStarted) =>
  (await services.db.select().from(imageVersions).where(eq(imageVersions.id, versionId)))[0];
const fileOf = (name: string): string => join(services.dataDir, "demo", "vmware", "pools", "datastore1", name);
const copiesOnHost = async () =>
  (await readdir(join(services.dataDir, "demo", "vmware", "pools"), { recursive: true }))
    .map((path) => basename(path))
    .filter((name) => name.startsWith("snapshot-"));

async function expectNothing(started: VersionStarted, code: string): Promise<void> {
  expect(await versionOf(started)).toMatchObject({ state: "failed", error: { code } });
  expect(existsSync((await openLibrary(services)).pathOf(started.versionId))).toBe(false);
  expect(await copiesOnHost()).toEqual([]);
  expect(await entriesOf(started)).toEqual(["file removed", "snapshot removed"]);
}

describe("a capture of two disks", () => {
  it("tells one progress over both, and makes and removes one snapshot", async () => {
    const started = await begin();
    const { code, seen } = await run(started);
    expect(code).toBe("done");
    const whole = vm.disks.reduce((sum, { capacity }) => sum + (capacity ?? 0), 0);
    const reading = seen.filter(({ total }) => total === whole);
    expect(reading.at(-1)).toMatchObject({ done: whole, total: whole });
    expect(reading.map(({ done }) => done)).toEqual(reading.map(({ done }) => done).sort((a, b) => a - b));
    expect(await entriesOf(started)).toEqual(["file kept", "snapshot removed"]);
    expect(await copiesOnHost()).toEqual([]);
    const rows = await services.db.select().from(imageDisks).where(eq(imageDisks.versionId, started.versionId));
    expect(rows.map(({ fileName, virtualSize }) => [fileName, virtualSize]).sort()).toEqual(
      vm.disks.map(({ capacity }, i) => [`disk-${i + 1}.qcow2`, capacity]),
    );
  });

  it("leaves nothing when the library is full at the second", async () => {
    const library = await openLibrary(services);
    // The first needs 64 KiB of data and its tables, the second as much again.
    vi.spyOn(library, "free").mockResolvedValue(RESERVE + 100 * 1024);
    const started = await begin();
    const { code, seen } = await run(started);
    expect(code).toBe("library.full");
    expect(seen.some(({ done }) => done === vm.disks[0]?.capacity)).toBe(true);
    await expectNothing(started, "library.full");
  });

  it("leaves nothing when it is cancelled at the second", async () => {
    const started = await begin();
    const reason = new AppError("cancelled", "job.cancelled", "Somebody cancelled it.");
    const { code } = await run(started, { inSecond: (stop) => stop.abort(reason) });
    expect(code).toBe("job.cancelled");
    await expectNothing(started, "job.cancelled");
  });

  it("takes up what a worker left at the second, with a snapshot of its own", async () => {
    // Enough of it to be stopped in the middle.
    execFileSync("qemu-io", ["-f", "vmdk", "-c", "write -q -P 85 0 256M", fileOf("db-01_1.vmdk")]);
    const started = await begin();
    const reason = new AppError("unavailable", "worker.stopping", "The worker stops.");
    const left = await run(started, { inSecond: (stop) => stop.abort(reason) });
    expect(left.code).toBe("worker.stopping");
    expect((await copiesOnHost()).length).toBe(2);
    expect(await entriesOf(started)).toEqual(["file planned", "snapshot made"]);
    const again = await run(started, { attempt: 2 });
    expect(again.code).toBe("done");
    expect(await versionOf(started)).toMatchObject({ state: "ready" });
    expect(await copiesOnHost()).toEqual([]);
    expect(await entriesOf(started)).toEqual(["file kept", "snapshot removed", "snapshot removed"]);
  });
});
