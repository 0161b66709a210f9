/** Deploys that end in another way than they began: whatever happens, a host keeps all of it or nothing. */
import { open, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { jobs, requests, requestTargets } from "#lib/db/schema.ts";
import { VENDORS, type Vendor } from "#lib/domain/hardware.ts";
import { DemoAdapter } from "#lib/hypervisor/demo/demo-adapter.ts";
import { openHost } from "#lib/hypervisor/registry.ts";
import { AppError } from "#lib/errors.ts";
import type { JobIO } from "#lib/jobs/runner.ts";
import { hashPlan } from "./frozen-plan.ts";
import { locateVersion } from "#lib/library/open-version.ts";
import { cancelRequest } from "#lib/services/request/cancel-request.ts";
import { createRequest } from "#lib/services/request/create-request.ts";
import { approveRequest, denyRequest } from "#lib/services/request/decide-request.ts";
import { retryRequest } from "#lib/services/request/retry-request.ts";
import { deployBench, type Bench, type Outcome } from "./testing.ts";

// Of a machine that is busy with other things.
vi.setConfig({ testTimeout: 240_000 });

let bench: Bench;
/** The version of an image with 72 MiB of data: it takes a moment, and is too large for the small pools. */
let big: string;
const before = new Map<Vendor, { files: string[]; vms: string[] }>();

beforeAll(async () => {
  // What happens when a host is waited for is tried in host-away.test.ts.
  bench = await deployBench({ wait: { interruptions: 0 } });
  big = await bench.addImage("big", 72 * 1024 ** 2);
  for (const vendor of VENDORS)
    before.set(vendor, { files: await bench.files(vendor), vms: await bench.vmNames(vendor) });
});
afterEach(() => {
  vi.restoreAllMocks();
  bench.interfere.clear();
});
afterAll(() => bench.close());

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "no error",
    (error: unknown) => (error instanceof AppError ? error.code : `not an AppError: ${String(error)}`),
  );
}

/** Files whose path names the VM: only this test made them. */
async function filesOf(vendor: Vendor, name: string): Promise<string[]> {
  return (await bench.files(vendor)).filter((path) => path.includes(name));
}

async function expectNothingLeft(vendor: Vendor, name: string, { ledger, target }: Outcome): Promise<void> {
  expect(await filesOf(vendor, name), "files").toEqual([]);
  expect(await bench.vmNames(vendor), "VMs").not.toContain(name);
  expect(
    ledger.filter((entry) => entry.state !== "removed"),
    "ledger",
  ).toEqual([]);
  expect(target.vmRef).toBeNull();
  expect(target.receipt).toBeNull();
}

async function expectAllThere(vendor: Vendor, name: string, { ledger, target, job }: Outcome): Promise<void> {
  expect(target).toMatchObject({ status: "succeeded", error: null, receipt: { equal: true, vmName: name } });
  expect(job.state).toBe("succeeded");
  expect(await filesOf(vendor, name)).toHaveLength(1);
  expect((await bench.vmNames(vendor)).filter((each) => each === name)).toEqual([name]);
  expect(ledger.map((entry) => [entry.kind, entry.state])).toEqual([
    ["disk", "kept"],
    ["vm", "kept"],
  ]);
}

/** Asks for the cancel as a person does, and waits until the job has heard it. */
async function cancelAndWait(requestId: string, io: JobIO): Promise<void> {
  await cancelRequest(bench.operator, requestId, null);
  await new Promise<void>((resolve) => {
    if (io.signal.aborted) resolve();
    else io.signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

const STAGES = ["check", "create-disk", "transfer", "verify", "create-vm", "start-vm"];
const MOMENTS = STAGES.flatMap((stage) => [
  { stage, state: "running" },
  { stage, state: "done" },
]).slice(0, -1);

describe("a deploy that is cancelled", () => {
  it("leaves nothing on the host, at whichever stage it was", async () => {
    const outcomes = await Promise.all(
      MOMENTS.map(async ({ stage, state }, index) => {
        const vendor = VENDORS[index % VENDORS.length] as Vendor;
        const name = `cancel-${stage}-${state}`;
        const seen = { files: 0, vm: false };
        const request = await bench.submit(await bench.choice(vendor, name, { start: true }));
        bench.interfere.set(name, {
          async stage(id, now, io) {
            if (id !== stage || now !== state) return;
            seen.files = (await filesOf(vendor, name)).length;
            seen.vm = (await bench.vmNames(vendor)).includes(name);
            await cancelAndWait(request.id, io);
          },
        });
        await approveRequest(bench.operator, request.id, { planHash: request.planHash, reason: "" });
        return { vendor, name, seen, at: `${stage} ${state}`, outcome: await bench.ended(request) };
      }),
    );
    for (const { vendor, name, seen, at, outcome } of outcomes) {
      const { stage, state } = MOMENTS[outcomes.findIndex((each) => each.name === name)]!;
      const reached = STAGES.indexOf(stage) * 2 + (state === "done" ? 1 : 0);
      // The disk and the VM were there before the cancel: that nothing is left now is not for want of anything made.
      expect(seen, at).toEqual({
        files: reached > STAGES.indexOf("transfer") * 2 ? 1 : 0,
        vm: reached > STAGES.indexOf("create-vm") * 2,
      });
      expect(outcome.request.status, at).toBe("cancelled");
      expect(outcome.job.state, at).toBe("cancelled");
      expect(outcome.target, at).toMatchObject({ status: "cancelled", error: { code: "job.cancelled" } });
      await expectNothingLeft(vendor, name, outcome);
    }
  });

  it("stops in the middle of sending and of reading back", async () => {
    for (const stage of ["transfer", "verify"]) {
      const name = `middle-${stage}`;
      let running = "";
      let stoppedAt: number | null = null;
      bench.interfere.set(name, {
        stage: async (id, state) => void (running = state === "running" ? id : ""),
        progress({ done, total }) {
          if (running !== stage || stoppedAt !== null) return false;
          stoppedAt = done / total;
          return true;
        },
      });
      const outcome = await bench.ended(await bench.deploy(await bench.choice("kvm", name, {}, big), big));
      expect(stoppedAt, "progress before the end").toBeLessThan(1);
      expect(outcome.target.status).toBe("cancelled");
      expect(outcome.job.stages.find((each) => each.id === stage)?.state).toBe("failed");
      await expectNothingLeft("kvm", name, outcome);
    }
  });

  it("is over at once while it waits, and cannot be cancelled again", async () => {
    const waiting = await bench.submit(await bench.choice("xen", "cancel-pending"));
    await cancelRequest(bench.operator, waiting.id, null);
    expect(await codeOf(cancelRequest(bench.operator, waiting.id, null))).toBe("request.ended");
    expect(await codeOf(approveRequest(bench.operator, waiting.id, { planHash: waiting.planHash, reason: "" }))).toBe(
      "request.already-decided",
    );
    const [target] = await bench.services.db
      .select()
      .from(requestTargets)
      .where(eq(requestTargets.requestId, waiting.id));
    expect(target).toMatchObject({ status: "cancelled", jobId: null });
  });

  it("keeps the VM when the word comes after the last stage", async () => {
    const name = "cancel-too-late";
    const request = await bench.submit(await bench.choice("hyperv", name, { start: true }));
    bench.interfere.set(name, {
      async stage(id, state, io) {
        if (id === "start-vm" && state === "done") await cancelAndWait(request.id, io);
      },
    });
    await approveRequest(bench.operator, request.id, { planHash: request.planHash, reason: "" });
    const outcome = await bench.ended(request);
    expect(outcome.request.status).toBe("succeeded");
    await expectAllThere("hyperv", name, outcome);
  });
});

describe("a pool without room", () => {
  const SMALL = 64 * 1024 ** 2;

  it("is told when the request is made", async () => {
    const choice = await bench.choice("kvm", "no-room", { poolRef: "small" }, big);
    const error: unknown = await bench.submit(choice, big).catch((each: unknown) => each);
    expect(error).toMatchObject({ code: "request.blocked", details: { rules: ["target.pool-no-room"] } });
  });

  /** Fills the small pool but for 1 MiB. Answers with the function that empties it. */
  async function fill(vendor: Vendor): Promise<() => Promise<void>> {
    const [file] = await bench.files(vendor);
    const path = join(dirname(dirname(file ?? "")), vendor === "kvm" ? "small" : "Small-SR", "filler.img");
    await writeFile(path, Buffer.alloc(SMALL - 1024 ** 2, 1));
    return () => rm(path);
  }

  it("filled after the approval, it stops the deploy before anything is made", async () => {
    const request = await bench.submit(await bench.choice("kvm", "filled-before", { poolRef: "small" }));
    let empty: () => Promise<void> = async () => undefined;
    bench.interfere.set("filled-before", { begin: async () => void (empty = await fill("kvm")) });
    await approveRequest(bench.operator, request.id, { planHash: request.planHash, reason: "" });
    const outcome = await bench.ended(request);
    await empty();
    expect(outcome.target).toMatchObject({ status: "failed", error: { code: "pool.full" } });
    expect(outcome.ledger).toEqual([]);
    await expectNothingLeft("kvm", "filled-before", outcome);
  });

  it("filled while the disk is on its way, it ends the deploy and the disk goes", async () => {
    let empty: () => Promise<void> = async () => undefined;
    bench.interfere.set("filled-during", {
      stage: async (id, state) => void (id === "transfer" && state === "running" && (empty = await fill("xen"))),
    });
    const outcome = await bench.ended(
      await bench.deploy(await bench.choice("xen", "filled-during", { poolRef: "Small SR" })),
    );
    await empty();
    expect(outcome.target).toMatchObject({ status: "failed", error: { code: "pool.full" } });
    expect(outcome.target.error?.message).toContain("Small SR");
    expect(outcome.ledger).toHaveLength(1);
    await expectNothingLeft("xen", "filled-during", outcome);
  });
});

describe("a name that is taken", () => {
  /** Somebody makes a VM of this name by the host's own tools. */
  async function makeByHand(vendor: Vendor, name: string): Promise<void> {
    await using adapter = await openHost(bench.host(vendor).connection, null, { dataDir: bench.services.dataDir });
    const { bus, firmware } = await bench.choice(vendor, name);
    await adapter.createVm(
      {
        name,
        cpus: 1,
        memory: 1024 ** 3,
        firmware,
        secureBoot: false,
        guest: null,
        placement: {},
        disks: [],
        nics: [],
        description: `by hand, ${bus}`,
      },
      randomUUID(),
    );
  }

  it("is told when the request is made", async () => {
    const taken = before.get("kvm")?.vms[0] ?? "";
    const error: unknown = await bench.submit(await bench.choice("kvm", taken)).catch((each: unknown) => each);
    expect(error).toMatchObject({ code: "request.blocked", details: { rules: ["target.name-exists"] } });
  });

  it.each([
    ["between the approval and the start", "begin"],
    ["while the disk is on its way", "transfer"],
  ])("%s, it ends the deploy, and the other VM stays", async (_when, moment) => {
    const name = `taken-${moment}`;
    bench.interfere.set(name, {
      begin: async () => void (moment === "begin" && (await makeByHand("vmware", name))),
      stage: async (id, state) => void (id === moment && state === "running" && (await makeByHand("vmware", name))),
    });
    const outcome = await bench.ended(await bench.deploy(await bench.choice("vmware", name)));
    expect(outcome.target).toMatchObject({ status: "failed", error: { code: "vm.exists" } });
    expect(outcome.target.error?.message).toContain(name);
    expect(await filesOf("vmware", name)).toEqual([]);
    expect((await bench.vmNames("vmware")).filter((each) => each === name)).toHaveLength(1);
    expect(outcome.ledger.every((entry) => entry.state === "removed")).toBe(true);
  });
});

describe("what was approved and what would run", () => {
  type Changed = "plan" | "choice" | "both" | "all and the hash";
  async function changeStored(request: typeof requests.$inferSelect, how: Changed): Promise<void> {
    const { db } = bench.services;
    const [target] = await db.select().from(requestTargets).where(eq(requestTargets.requestId, request.id));
    if (target === undefined) throw new Error("no target");
    const choice = { ...target.choice, cpus: target.choice.cpus + 7 };
    const plan = { ...request.plan, targets: request.plan.targets.map((each) => ({ ...each, choice })) };
    if (how !== "choice") await db.update(requests).set({ plan }).where(eq(requests.id, request.id));
    if (how === "all and the hash")
      await db
        .update(requests)
        .set({ planHash: hashPlan(plan) })
        .where(eq(requests.id, request.id));
    if (how !== "plan") await db.update(requestTargets).set({ choice }).where(eq(requestTargets.id, target.id));
  }

  it.each(["plan", "choice", "both", "all and the hash"] as const)(
    "a plan changed in the database after it (%s) is refused",
    async (how) => {
      const name = `tampered-${how.replaceAll(" ", "-")}`;
      const request = await bench.submit(await bench.choice("virtualbox", name));
      bench.interfere.set(name, { begin: () => changeStored(request, how) });
      await approveRequest(bench.operator, request.id, { planHash: request.planHash, reason: "" });
      const outcome = await bench.ended(request);
      expect(outcome.target).toMatchObject({ status: "failed", error: { code: "request.plan-changed" } });
      expect(outcome.ledger).toEqual([]);
      await expectNothingLeft("virtualbox", name, outcome);
    },
  );

  it("another host or another image behind the same plan is refused", async () => {
    const other = await bench.addImage("other", 1024 ** 2);
    for (const what of ["host", "image"] as const) {
      const name = `swapped-${what}`;
      const request = await bench.submit(await bench.choice("kvm", name));
      bench.interfere.set(name, {
        begin: async () => {
          const { db } = bench.services;
          if (what === "image")
            await db.update(requests).set({ imageVersionId: other }).where(eq(requests.id, request.id));
          else
            await db
              .update(requestTargets)
              .set({ hostId: bench.host("xen").id })
              .where(eq(requestTargets.requestId, request.id));
        },
      });
      await approveRequest(bench.operator, request.id, { planHash: request.planHash, reason: "" });
      const outcome = await bench.ended(request);
      expect(outcome.target.error?.code, what).toBe("request.plan-changed");
      await expectNothingLeft("kvm", name, outcome);
      await expectNothingLeft("xen", name, outcome);
    }
  });

  it("an image whose file changed on the disk is refused, and the disk goes", async () => {
    const changed = await bench.addImage("changed", 2 * 1024 ** 2);
    const name = "changed-file";
    const request = await bench.submit(await bench.choice("kvm", name, {}, changed), changed);
    const [disk] = (await locateVersion(bench.services, changed)).disks;
    await flipByte(disk?.path ?? "", 1024 ** 2);
    await approveRequest(bench.operator, request.id, { planHash: request.planHash, reason: "" });
    const outcome = await bench.ended(request);
    expect(outcome.target).toMatchObject({ status: "failed", error: { code: "image.changed" } });
    expect(outcome.target.error?.message).toContain("changed.img");
    expect(outcome.ledger).toHaveLength(1);
    await expectNothingLeft("kvm", name, outcome);
  });
});

async function flipByte(path: string, offset: number): Promise<void> {
  await using file = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, offset);
  byte[0] = 255 - (byte[0] ?? 0);
  await file.write(byte, 0, 1, offset);
}

describe("a host that does not do what it was told", () => {
  it("one that gives back another byte: the receipt is unequal, no VM is made, the disk goes", async () => {
    const name = "flipped";
    const made = vi.spyOn(DemoAdapter.prototype, "createVm");
    bench.interfere.set(name, {
      async stage(id, state) {
        if (id !== "transfer" || state !== "done") return;
        const [path] = await filesOf("xen", name);
        await flipByte(path ?? "", 3 * 1024 ** 2);
      },
    });
    const outcome = await bench.ended(await bench.deploy(await bench.choice("xen", name, { diskFormat: "raw" })));
    expect(outcome.target).toMatchObject({ status: "failed", error: { code: "verify.mismatch" } });
    expect(outcome.target.error?.message).toContain(bench.host("xen").name);
    const { expected, found } = outcome.target.error?.details as { expected: string; found: string };
    expect(expected).toMatch(/^sv1:/);
    expect(found).toMatch(/^sv1:/);
    expect(found).not.toBe(expected);
    expect(made).not.toHaveBeenCalled();
    expect(outcome.job.stages.find((stage) => stage.id === "verify")?.state).toBe("failed");
    await expectNothingLeft("xen", name, outcome);
  });

  it("one that damages the disk's own tables", async () => {
    const name = "damaged";
    bench.interfere.set(name, {
      async stage(id, state) {
        if (id !== "transfer" || state !== "done") return;
        const [path] = await filesOf("kvm", name);
        await flipByte(path ?? "", 0);
      },
    });
    const outcome = await bench.ended(await bench.deploy(await bench.choice("kvm", name, { diskFormat: "qcow2" })));
    expect(outcome.target.status).toBe("failed");
    expect(outcome.target.error?.kind).not.toBe("internal");
    await expectNothingLeft("kvm", name, outcome);
  });

  it.each(["before", "after"] as const)("one that fails %s it has made the VM: VM and disks go", async (when) => {
    const name = `half-made-${when}`;
    const real = DemoAdapter.prototype.createVm;
    vi.spyOn(DemoAdapter.prototype, "createVm").mockImplementation(async function (this: DemoAdapter, ...args) {
      if (args[0].name !== name) return real.apply(this, args);
      if (when === "after") await real.apply(this, args);
      expect((await bench.vmNames("hyperv")).includes(name)).toBe(when === "after");
      throw new AppError("unavailable", "host.unreachable", "The connection broke off.");
    });
    const outcome = await bench.ended(await bench.deploy(await bench.choice("hyperv", name)));
    expect(outcome.target).toMatchObject({ status: "failed", error: { code: "host.unreachable" } });
    expect(outcome.ledger.map((entry) => [entry.kind, entry.state])).toEqual([
      ["disk", "removed"],
      ["vm", "removed"],
    ]);
    await expectNothingLeft("hyperv", name, outcome);
    if (when === "before") return;
    const again = await retryRequest(bench.requester, outcome.request.id);
    vi.restoreAllMocks();
    await approveRequest(bench.operator, again.id, { planHash: again.planHash, reason: "" });
    await expectAllThere("hyperv", name, await bench.ended(again));
  });
});

describe("clicks that come twice", () => {
  it("two approvals and a denial at once: one counts, whichever comes first", async () => {
    const request = await bench.submit(await bench.choice("kvm", "three-clicks"));
    const decision = { planHash: request.planHash, reason: "fine" };
    const codes = await Promise.all([
      codeOf(approveRequest(bench.operator, request.id, decision)),
      codeOf(approveRequest(bench.operator, request.id, decision)),
      codeOf(denyRequest(bench.operator, request.id, decision)),
    ]);
    expect(codes.toSorted()).toEqual(["no error", "request.already-decided", "request.already-decided"]);
    const made = await bench.services.db.select().from(jobs).where(eq(jobs.subjectId, request.id));
    expect(made).toHaveLength(codes[2] === "no error" ? 0 : 1);
    if (made.length > 0) await bench.ended(request);
  });

  it("two approvals at once: one counts, one job runs, one VM is made", async () => {
    const name = "two-clicks";
    const request = await bench.submit(await bench.choice("kvm", name));
    const decision = { planHash: request.planHash, reason: "fine" };
    const codes = await Promise.all([
      codeOf(approveRequest(bench.operator, request.id, decision)),
      codeOf(approveRequest(bench.operator, request.id, decision)),
    ]);
    expect(codes.sort()).toEqual(["no error", "request.already-decided"]);
    const outcome = await bench.ended(request);
    expect(await codeOf(denyRequest(bench.operator, request.id, decision))).toBe("request.already-decided");
    const made = await bench.services.db.select().from(jobs).where(eq(jobs.subjectId, request.id));
    expect(made).toHaveLength(1);
    await expectAllThere("kvm", name, outcome);
  });

  it("one form submitted twice at once is one request", async () => {
    const choice = await bench.choice("kvm", "two-submits");
    const input = { imageVersionId: bench.versionId, targets: [choice], note: "", idempotencyKey: randomUUID() };
    const rows = await Promise.all([createRequest(bench.requester, input), createRequest(bench.requester, input)]);
    expect(rows[0].id).toBe(rows[1].id);
    const all = await bench.services.db
      .select()
      .from(requests)
      .where(eq(requests.idempotencyKey, input.idempotencyKey));
    expect(all).toHaveLength(1);
  });
});
