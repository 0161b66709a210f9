/** Hosts that go away under a deploy, or answer late: the deploy waits for them, and what is made stays made. */
import { eq } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { hosts, jobs, ledger, requests, requestTargets } from "#lib/db/schema.ts";
import { VENDORS, type Vendor } from "#lib/domain/hardware.ts";
import { refreshSession } from "#lib/inventory/sessions.ts";
import { presentJob } from "#lib/presenters/job.ts";
import { cancelRequest } from "#lib/services/request/cancel-request.ts";
import { approveRequest } from "#lib/services/request/decide-request.ts";
import { sweepOnce } from "./sweep.ts";
import { deployBench, until, type Bench } from "./testing.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const MIB = 1024 ** 2;
let bench: Bench;
let big: string;

beforeAll(async () => {
  bench = await deployBench({ wait: { interruptions: 2 } });
  big = await bench.addImage("big", 48 * MIB);
});
afterEach(async () => {
  bench.interfere.clear();
  for (const vendor of VENDORS) await bench.faults(vendor);
  await until("all hosts back", async () => {
    const rows = await bench.services.db.select().from(hosts);
    return rows.every(({ state }) => state === "online") ? rows : null;
  });
});
afterAll(() => bench.close());

type RequestRow = typeof requests.$inferSelect;

async function jobOf(request: Pick<RequestRow, "id">) {
  const [row] = await bench.services.db
    .select({ job: jobs, target: requestTargets, request: requests })
    .from(requestTargets)
    .innerJoin(jobs, eq(jobs.id, requestTargets.jobId))
    .innerJoin(requests, eq(requests.id, requestTargets.requestId))
    .where(eq(requestTargets.requestId, request.id));
  if (row === undefined) throw new Error("no job");
  return row;
}

const waits = (request: Pick<RequestRow, "id">) =>
  until("the job to wait", async () => {
    const row = await jobOf(request);
    return row.job.resumeAt === null ? null : row;
  });

const filesOf = async (vendor: Vendor, name: string) =>
  (await bench.files(vendor)).filter((path) => path.includes(name));

describe("a host that is away when its deploy begins", () => {
  it("is waited for, in words, without a place among the jobs that run; then the deploy goes on", async () => {
    const request = await bench.submit(await bench.choice("xen", "waits-for-host"));
    bench.interfere.set("waits-for-host", { begin: () => bench.faults("xen", { away: true }) });
    await approve(request);
    const { job, target, request: now } = await waits(request);
    expect(job).toMatchObject({ state: "queued", worker: null, error: null, interruptions: 1 });
    const { waiting } = presentJob(job);
    expect(waiting).toMatchObject({ hostId: bench.host("xen").id, hostName: bench.host("xen").name });
    expect(Date.parse(waiting?.until ?? "")).toBeGreaterThan(Date.parse(waiting?.since ?? ""));
    const stage = job.stages.find(({ id }) => id === "wait");
    expect(stage).toMatchObject({ state: "running" });
    expect(stage?.label).toContain(bench.host("xen").name);
    expect([target.status, now.status]).toEqual(["running", "running"]);
    bench.interfere.clear();
    await bench.faults("xen");
    const outcome = await bench.ended(request);
    expect(outcome.target).toMatchObject({ status: "succeeded", receipt: { equal: true } });
    expect(outcome.job.stages.find(({ id }) => id === "wait")?.state).toBe("done");
    expect(presentJob(outcome.job).waiting).toBeNull();
  });

  it("is not waited for any longer once somebody cancels", async () => {
    const request = await bench.submit(await bench.choice("xen", "cancel-waiting"));
    bench.interfere.set("cancel-waiting", { begin: () => bench.faults("xen", { away: true }) });
    await approve(request);
    await waits(request);
    await cancelRequest(bench.operator, request.id, null);
    // Nothing was made: there is nothing to run for.
    expect(await jobOf(request)).toMatchObject({
      job: { state: "cancelled" },
      target: { status: "cancelled" },
      request: { status: "cancelled" },
    });
  });
});

describe("a line that is cut in the middle of a transfer", () => {
  it("costs a second beginning, not the deploy", async () => {
    await bench.faults("kvm", { cuts: [12 * MIB] });
    const request = await bench.deploy(await bench.choice("kvm", "cut-once", {}, big), big);
    const outcome = await bench.ended(request);
    expect(outcome.target).toMatchObject({ status: "succeeded", error: null, receipt: { equal: true } });
    expect(outcome.job).toMatchObject({ interruptions: 1, crashes: 0, state: "succeeded" });
    expect(outcome.job.attempt).toBeGreaterThan(1);
    expect(await filesOf("kvm", "cut-once")).toHaveLength(1);
    expect(outcome.ledger.filter(({ state }) => state === "kept").map(({ kind }) => kind)).toEqual(["disk", "vm"]);
    expect(outcome.ledger.filter(({ state }) => state !== "kept" && state !== "removed")).toEqual([]);
  });

  it("again and again ends the deploy after so many times, with the reason and nothing left", async () => {
    await bench.faults("vmware", { cuts: Array.from({ length: 50 }, () => MIB) });
    const outcome = await bench.ended(await bench.deploy(await bench.choice("vmware", "cut-often", {}, big), big));
    expect(outcome.target).toMatchObject({ status: "failed", error: { code: "host.unreachable" } });
    expect(outcome.target.error?.hint).toContain("too often");
    expect(outcome.job.state).toBe("failed");
    expect(await filesOf("vmware", "cut-often")).toEqual([]);
    expect(outcome.ledger.filter(({ state }) => state !== "removed")).toEqual([]);
  });
});

describe("a host that is silent while somebody cancels", () => {
  it("is not waited for: the ledger keeps what is left there, and the sweep removes it", async () => {
    const name = "silent-cancel";
    // A cut that never comes: every byte asks the faults.
    await bench.faults("hyperv", { cuts: [1024 * MIB] });
    const request = await bench.submit(await bench.choice("hyperv", name, {}, big), big);
    let stage = "";
    let silenced = false;
    bench.interfere.set(name, {
      stage: async (id, state) => void (stage = state === "running" ? id : ""),
      progress() {
        if (stage !== "transfer" || silenced) return false;
        silenced = true;
        void bench.faults("hyperv", { silent: true }).then(() => cancelRequest(bench.operator, request.id, null));
        return false;
      },
    });
    await approve(request);
    const outcome = await bench.ended(request);
    expect(silenced).toBe(true);
    expect(outcome.target).toMatchObject({ status: "cancelled", error: { code: "job.cancelled" } });
    expect(outcome.target.error?.hint).toContain("as soon as the host can be reached again");
    expect(outcome.ledger.map(({ kind, state }) => [kind, state])).toEqual([["disk", "planned"]]);
    await bench.faults("hyperv");
    await until("the debt paid", async () => {
      await sweepOnce(bench.services);
      const [entry] = await bench.services.db.select().from(ledger).where(eq(ledger.jobId, outcome.job.id));
      return entry?.state === "removed" ? entry : null;
    });
    expect(await filesOf("hyperv", name)).toEqual([]);
  });
});

describe("a machine that is made", () => {
  it("stays when its start fails: the deploy has succeeded, with a note", async () => {
    await bench.faults("virtualbox", { refusesStart: true });
    const outcome = await bench.ended(
      await bench.deploy(await bench.choice("virtualbox", "never-starts", { start: true })),
    );
    expect(outcome.target).toMatchObject({ status: "succeeded", error: null, receipt: { equal: true } });
    expect(outcome.target.receipt?.note).toContain("starts nothing today");
    expect(outcome.job.stages.find(({ id }) => id === "start-vm")?.state).toBe("failed");
    expect(await bench.vmNames("virtualbox")).toContain("never-starts");
    expect(outcome.ledger.map(({ state }) => state)).toEqual(["kept", "kept"]);
  });

  it("is defined in one go though the host's session is opened again meanwhile", async () => {
    const name = "refreshed-under";
    await bench.faults("kvm", { defineMs: 2500 });
    let refreshed = 0;
    bench.interfere.set(name, {
      async stage(id, state) {
        if (id !== "create-vm" || state !== "running") return;
        // While the host is at it: after the call has begun.
        setTimeout(() => (refreshed += Number(refreshSession(bench.services.db, bench.host("kvm").id))), 600);
      },
    });
    const outcome = await bench.ended(await bench.deploy(await bench.choice("kvm", name)));
    expect(refreshed).toBe(1);
    expect(outcome.target).toMatchObject({ status: "succeeded", receipt: { equal: true } });
    expect(outcome.job).toMatchObject({ attempt: 1, interruptions: 0 });
  });

  it("is made while the inventory of its host is still being read", async () => {
    await bench.faults("xen", { inventoryMs: 120_000 });
    const { id } = bench.host("xen");
    await bench.services.db.update(hosts).set({ staleSince: new Date() }).where(eq(hosts.id, id));
    refreshSession(bench.services.db, id);
    const outcome = await bench.ended(await bench.deploy(await bench.choice("xen", "while-read")));
    expect(outcome.target).toMatchObject({ status: "succeeded", receipt: { equal: true } });
    expect(outcome.job).toMatchObject({ attempt: 1, interruptions: 0 });
    const [host] = await bench.services.db.select().from(hosts).where(eq(hosts.id, id));
    // Its rows are still said to be old: the reading has not come to its end.
    expect(host).toMatchObject({ state: "online" });
    expect(host?.staleSince).not.toBeNull();
    refreshSession(bench.services.db, id);
  });
});

async function approve(request: RequestRow): Promise<void> {
  await approveRequest(bench.operator, request.id, { planHash: request.planHash, reason: "" });
}
