/** Who decides what, once. */
import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { auditEntries, hosts, images, imageVersions, jobs, requests, requestTargets } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { NO_HINTS } from "#lib/library/create-version.ts";
import type { FrozenPlan, TargetChoice } from "#lib/domain/request.ts";
import { AppError } from "#lib/errors.ts";
import { hashPlan } from "#lib/provisioning/frozen-plan.ts";
import { presentRequest } from "#lib/presenters/request.ts";
import { repairRequests } from "#lib/provisioning/repair.ts";
import type { Ctx } from "../context.ts";
import { cancelJob } from "../job/jobs.ts";
import { testPerson } from "../testing.ts";
import { createUser } from "../user/create-user.ts";
import { cancelRequest } from "./cancel-request.ts";
import { approveRequest, denyRequest } from "./decide-request.ts";
import { getRequest } from "./read-requests.ts";

let services: TestServices;
let requester: Ctx;
let operator: Ctx;

beforeEach(async () => {
  services = await testServices();
  requester = await testPerson(services, "requester");
  operator = await testPerson(services, "operator");
});
afterEach(() => services.close());

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "done",
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  );
}

/** A pending request for two VMs, as createRequest leaves it. */
async function pending(by: Ctx = requester): Promise<typeof requests.$inferSelect> {
  const [host] = await services.db
    .insert(hosts)
    .values({
      name: `host ${randomUUID()}`,
      vendor: "kvm",
      connection: { driver: "demo", connection: { transport: "demo", vendor: "kvm" } },
      simulated: true,
    })
    .returning();
  const [image] = await services.db.insert(images).values({ name: randomUUID(), createdByName: "x" }).returning();
  const [version] = await services.db
    .insert(imageVersions)
    .values({
      imageId: image!.id,
      number: 1,
      state: "ready",
      source: { kind: "upload", fileName: "x" },
      hints: NO_HINTS,
      folder: "x",
      createdByName: "x",
    })
    .returning();
  const estimate = { bytesToMove: 0, fileLength: null, seconds: 0, error: 0, basis: "" };
  const choices = ["one", "two"].map(
    (name): TargetChoice => ({
      hostId: host!.id,
      name,
      cpus: 1,
      memory: 2 ** 30,
      firmware: "bios",
      secureBoot: false,
      placement: {},
      diskFormat: "qcow2",
      bus: "virtio",
      poolRef: "p",
      nic: null,
      start: false,
    }),
  );
  const plan: FrozenPlan = {
    version: 1,
    imageId: image!.id,
    imageVersionId: version!.id,
    imageName: "image",
    fingerprints: ["f"],
    targets: choices.map((choice) => ({ choice, hostName: host!.name, findings: [], estimate })),
  };
  const [request] = await services.db
    .insert(requests)
    .values({
      status: "pending",
      imageVersionId: version!.id,
      requesterId: by.actor.id!,
      idempotencyKey: randomUUID(),
      plan,
      planHash: hashPlan(plan),
    })
    .returning();
  await services.db.insert(requestTargets).values(
    choices.map((choice, position) => ({
      requestId: request!.id,
      position,
      hostId: host!.id,
      choice,
      findings: [],
      estimate,
      status: "waiting" as const,
    })),
  );
  return request!;
}

const jobsOf = (id: string) => services.db.select().from(jobs).where(eq(jobs.subjectId, id));
const actionsOf = async (id: string) =>
  (await services.db.select().from(auditEntries).where(eq(auditEntries.subjectId, id)).orderBy(auditEntries.seq)).map(
    ({ action, result }) => `${action} ${result}`,
  );

describe("deciding a request", () => {
  it("runs each target once when many approve at the same moment", async () => {
    const request = await pending();
    const decision = { planHash: request.planHash, reason: "" };
    const others = await Promise.all(
      (["operator", "administrator", "operator"] as const).map((role) => testPerson(services, role)),
    );
    const codes = await Promise.all(
      [operator, ...others].map((ctx) => codeOf(approveRequest(ctx, request.id, decision))),
    );
    expect(codes.sort()).toEqual(["done", ...Array(3).fill("request.already-decided")]);
    expect(await jobsOf(request.id)).toHaveLength(2);
    expect(await actionsOf(request.id)).toEqual(["request.approved ok"]);
    const late = approveRequest(operator, request.id, decision);
    await expect(late).rejects.toThrow(/Request \d+ was approved by (operator|administrator) \w+ at \d{4}-/);
  });

  it("is approved or denied, not both, when two disagree at the same moment", async () => {
    const request = await pending();
    const admin = await testPerson(services, "administrator");
    const codes = await Promise.all([
      codeOf(approveRequest(operator, request.id, { planHash: request.planHash, reason: "yes" })),
      codeOf(denyRequest(admin, request.id, { planHash: request.planHash, reason: "no" })),
    ]);
    expect(codes.sort()).toEqual(["done", "request.already-decided"]);
    const [now] = await services.db.select().from(requests).where(eq(requests.id, request.id));
    expect(await jobsOf(request.id)).toHaveLength(now?.status === "approved" ? 2 : 0);
    expect(["approved", "denied"]).toContain(now?.status);
  });

  it("belongs to another person who may", async () => {
    for (const role of ["operator", "administrator"] as const) {
      const self = await testPerson(services, role);
      const own = await pending(self);
      const decision = { planHash: own.planHash, reason: "mine" };
      expect(await codeOf(approveRequest(self, own.id, decision)), role).toBe("request.own");
      expect(await codeOf(denyRequest(self, own.id, decision)), role).toBe("request.own");
      expect(await actionsOf(own.id)).toEqual(["request.approved refused", "request.denied refused"]);
      expect(await jobsOf(own.id)).toEqual([]);
    }
    const request = await pending();
    for (const role of ["requester", "auditor"] as const) {
      const other = await testPerson(services, role);
      const decision = { planHash: request.planHash, reason: "" };
      expect(await codeOf(approveRequest(other, request.id, decision)), role).toBe("auth.forbidden");
      expect(await codeOf(denyRequest(other, request.id, decision)), role).toBe("auth.forbidden");
    }
  });

  it("is not approved with an account that the requester has a hand in, and the page knows it before", async () => {
    const ada = await testPerson(services, "administrator");
    const made = { email: `${randomUUID()}@example.test`, name: "Puppet", role: "operator" as const };
    const account = await createUser(ada, { ...made, password: "long enough for Ada 1" });
    const puppet: Ctx = { ...ada, actor: { ...ada.actor, id: account.id, name: "Puppet", role: "operator" } };
    const request = await pending(ada);
    const decision = { planHash: request.planHash, reason: "fine" };
    const youMay = async (by: Ctx) => presentRequest(await getRequest(by, request.id)).youMay;

    expect((await youMay(puppet)).approve).toMatchObject({
      allowed: false,
      code: "request.approver-not-independent",
      reason: expect.stringContaining("two independent people") as string,
    });
    expect((await youMay(puppet)).deny).toEqual({ allowed: true, code: null, reason: null });
    expect((await youMay(ada)).approve).toMatchObject({ allowed: false, code: "request.own" });
    expect((await youMay(requester)).approve).toMatchObject({ allowed: false, code: "auth.forbidden" });
    expect((await youMay(operator)).approve).toEqual({ allowed: true, code: null, reason: null });

    await expect(approveRequest(puppet, request.id, decision)).rejects.toMatchObject({
      kind: "forbidden",
      code: "request.approver-not-independent",
    });
    expect(await actionsOf(request.id)).toEqual(["request.approved refused"]);
    expect(await jobsOf(request.id)).toEqual([]);
    // Somebody independent still may, and the puppet may stop what it cannot let run.
    const other = await pending(ada);
    expect(await codeOf(denyRequest(puppet, other.id, { planHash: other.planHash, reason: "no" }))).toBe("done");
    expect(await codeOf(approveRequest(operator, request.id, decision))).toBe("done");
    expect((await youMay(operator)).approve).toMatchObject({ allowed: false, code: "request.already-decided" });
  });

  it("approves only what the person saw and what was frozen", async () => {
    const request = await pending();
    expect(await codeOf(approveRequest(operator, request.id, { planHash: "0".repeat(64), reason: "" }))).toBe(
      "request.plan-changed",
    );
    const other = { ...request.plan, imageName: "another image" };
    await services.db.update(requests).set({ plan: other }).where(eq(requests.id, request.id));
    expect(await codeOf(approveRequest(operator, request.id, { planHash: request.planHash, reason: "" }))).toBe(
      "request.plan-changed",
    );
    expect(await codeOf(approveRequest(operator, request.id, { planHash: hashPlan(other), reason: "" }))).toBe(
      "request.plan-changed",
    );
    expect(await jobsOf(request.id)).toEqual([]);
    expect(await codeOf(approveRequest(operator, randomUUID(), { planHash: request.planHash, reason: "" }))).toBe(
      "request.not-found",
    );
  });

  it("cannot follow a cancel, and a cancel of a pending request runs nothing", async () => {
    const request = await pending();
    expect(await codeOf(cancelRequest(await testPerson(services, "requester"), request.id, null))).toBe(
      "request.not-own",
    );
    await cancelRequest(requester, request.id, null);
    expect(await codeOf(approveRequest(operator, request.id, { planHash: request.planHash, reason: "" }))).toBe(
      "request.already-decided",
    );
    expect(await codeOf(cancelRequest(requester, request.id, null))).toBe("request.ended");
    expect(await jobsOf(request.id)).toEqual([]);
    const targets = await services.db.select().from(requestTargets).where(eq(requestTargets.requestId, request.id));
    expect(targets.map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
  });
});

describe("a request that says otherwise than its jobs", () => {
  const failed = { kind: "internal" as const, code: "internal", message: "The job fell over." };

  /** As an older release left it: the jobs have ended, their targets run for ever. */
  async function stuck(): Promise<{ id: string; number: number }> {
    const request = await pending();
    await approveRequest(operator, request.id, { planHash: request.planHash, reason: "" });
    const { db } = services;
    await db.update(jobs).set({ state: "failed", error: failed, attempt: 1 }).where(eq(jobs.subjectId, request.id));
    await db.update(requestTargets).set({ status: "running" }).where(eq(requestTargets.requestId, request.id));
    await db.update(requests).set({ status: "running" }).where(eq(requests.id, request.id));
    return request;
  }

  async function expectFailed(id: string): Promise<void> {
    const [request] = await services.db.select().from(requests).where(eq(requests.id, id));
    expect(request).toMatchObject({ status: "failed" });
    expect(request?.finishedAt).not.toBeNull();
    const targets = await services.db.select().from(requestTargets).where(eq(requestTargets.requestId, id));
    expect(targets).toMatchObject([
      { status: "failed", error: failed },
      { status: "failed", error: failed },
    ]);
  }

  it("is put right by the repair, once, and the trail says so", async () => {
    const { id } = await stuck();
    expect(await repairRequests(services)).toBe(1);
    await expectFailed(id);
    expect((await actionsOf(id)).slice(1)).toEqual([
      "target.failed failed",
      "target.failed failed",
      "request.repaired ok",
    ]);
    expect(await repairRequests(services)).toBe(0);
  });

  it("is put right too when only the request was left behind, or the job is gone", async () => {
    const behind = await stuck();
    await services.db
      .update(requestTargets)
      .set({ status: "failed", error: failed })
      .where(eq(requestTargets.requestId, behind.id));
    const gone = await stuck();
    await services.db.delete(jobs).where(eq(jobs.subjectId, gone.id));
    expect(await repairRequests(services)).toBe(2);
    await expectFailed(behind.id);
    const targets = await services.db.select().from(requestTargets).where(eq(requestTargets.requestId, gone.id));
    expect(targets.map(({ status, error }) => [status, error?.code])).toEqual([
      ["failed", "job.not-found"],
      ["failed", "job.not-found"],
    ]);
  });

  it("is left alone while its jobs are not over", async () => {
    const request = await pending();
    await approveRequest(operator, request.id, { planHash: request.planHash, reason: "" });
    await pending();
    expect(await repairRequests(services)).toBe(0);
  });

  it("is settled by a cancel, which never does nothing", async () => {
    const { id } = await stuck();
    await cancelRequest(operator, id, null);
    await expectFailed(id);
    expect(await codeOf(cancelRequest(operator, id, null))).toBe("request.ended");
  });

  it("refuses to cancel a target that has ended while others run", async () => {
    const request = await pending();
    await approveRequest(operator, request.id, { planHash: request.planHash, reason: "" });
    const [first] = await services.db.select().from(requestTargets).where(eq(requestTargets.requestId, request.id));
    await cancelRequest(operator, request.id, first?.id ?? "");
    expect(await codeOf(cancelRequest(operator, request.id, first?.id ?? ""))).toBe("request.target-ended");
  });

  it("says that it is being cancelled when its job is cancelled", async () => {
    const request = await pending();
    await approveRequest(operator, request.id, { planHash: request.planHash, reason: "" });
    const [job] = await jobsOf(request.id);
    await services.db
      .update(jobs)
      .set({ state: "running", attempt: 1, worker: "w" })
      .where(eq(jobs.id, job?.id ?? ""));
    await cancelJob(operator, job?.id ?? "");
    const [target] = await services.db
      .select()
      .from(requestTargets)
      .where(eq(requestTargets.jobId, job?.id ?? ""));
    expect(target?.status).toBe("cancelling");
  });
});
