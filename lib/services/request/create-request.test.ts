/** The same idempotency key: the same request, or a refusal. */
import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { auditEntries, hosts, images, imageVersions, requests, requestTargets } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import type { TargetChoice } from "#lib/domain/request.ts";
import { AppError } from "#lib/errors.ts";
import { NO_HINTS } from "#lib/library/create-version.ts";
import type { Ctx } from "../context.ts";
import { testPerson } from "../testing.ts";
import { cancelRequest } from "./cancel-request.ts";
import { createRequest } from "./create-request.ts";
import { getRequest } from "./read-requests.ts";
import { retryRequest } from "./retry-request.ts";

// What the hosts can take is preflight's concern; here every choice fits.
vi.mock("../preflight/assess-targets.ts", () => ({
  assessTargets: async (_: unknown, __: unknown, choices: readonly TargetChoice[]) =>
    choices.map((choice) => ({
      choice,
      host: { name: "kvm" },
      findings: [],
      estimate: { bytesToMove: 0, fileLength: null, seconds: 0, error: 0, basis: "" },
    })),
}));

let services: TestServices;
let requester: Ctx;
let operator: Ctx;
let hostId: string;
let versionId: string;
beforeAll(async () => {
  services = await testServices();
  requester = await testPerson(services, "requester");
  operator = await testPerson(services, "operator");
  const demo = { driver: "demo", connection: { transport: "demo", vendor: "kvm" } } as const;
  const [host] = await services.db
    .insert(hosts)
    .values({ name: "kvm", vendor: "kvm", connection: demo, simulated: true })
    .returning();
  hostId = host!.id;
  const [image] = await services.db.insert(images).values({ name: "image", createdByName: "x" }).returning();
  const [version] = await services.db
    .insert(imageVersions)
    .values({
      imageId: image!.id,
      number: 1,
      state: "ready",
      hints: NO_HINTS,
      folder: "x",
      createdByName: "x",
      source: { kind: "upload", fileName: "x" },
    })
    .returning();
  versionId = version!.id;
});
afterAll(() => services.close());

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  );

function body(name: string, idempotencyKey = randomUUID()) {
  const choice: TargetChoice = {
    hostId,
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
  };
  return { imageVersionId: versionId, targets: [choice], note: "", idempotencyKey };
}

it("with the same body answers the same request, also to many at once", async () => {
  const input = body("idem-1");
  const made = await Promise.all(Array.from({ length: 4 }, () => createRequest(requester, input)));
  expect(new Set(made.map(({ id }) => id)).size).toBe(1);
  expect(made.filter(({ isNew }) => isNew)).toHaveLength(1);
  expect((await createRequest(requester, structuredClone(input))).isNew).toBe(false);
  const id = made[0]!.id;
  const entries = await services.db.select().from(auditEntries).where(eq(auditEntries.subjectId, id));
  expect(entries.map(({ action }) => action)).toEqual(["request.created"]);
});

it("with another body is refused, whatever differs, also when both come at once", async () => {
  const input = body("idem-2");
  await createRequest(requester, input);
  for (const other of [
    { ...input, note: "another" },
    { ...input, targets: [{ ...input.targets[0]!, name: "idem-3" }] },
    { ...input, targets: [{ ...input.targets[0]!, memory: input.targets[0]!.memory * 2 }] },
    { ...input, imageVersionId: randomUUID() },
  ])
    expect(await codeOf(createRequest(requester, other))).toBe("request.idempotency-mismatch");
  // Somebody else's key is another key.
  expect(await codeOf(createRequest(operator, { ...input, note: "mine" }))).toBe("done");
  const one = body("idem-4");
  const codes = await Promise.all(
    ["a", "b", "c", "d"].map((note) => codeOf(createRequest(requester, { ...one, note }))),
  );
  expect(codes.sort()).toEqual(["done", ...Array<string>(3).fill("request.idempotency-mismatch")]);
  const rows = await services.db.select().from(requests).where(eq(requests.idempotencyKey, one.idempotencyKey));
  expect(rows).toHaveLength(1);
});

it("is asked again once, however many ask at the same moment, and again after a denial", async () => {
  const ended = await createRequest(requester, body("retry-1"));
  await services.db.update(requestTargets).set({ status: "failed" }).where(eq(requestTargets.requestId, ended.id));
  await services.db.update(requests).set({ status: "failed" }).where(eq(requests.id, ended.id));
  const retriesOf = () => services.db.select().from(requests).where(eq(requests.retryOf, ended.id));
  const people = [requester, operator, requester, operator, requester];
  const codes = await Promise.all(people.map((by) => codeOf(retryRequest(by, ended.id))));
  expect(codes.sort()).toEqual(["done", ...Array<string>(4).fill("request.retried")]);
  const [again] = await retriesOf();
  expect(await retriesOf()).toHaveLength(1);
  await expect(retryRequest(operator, ended.id)).rejects.toMatchObject({
    kind: "conflict",
    message: `Request ${again!.number} asks for it again already.`,
    details: { requestId: again!.id, number: again!.number },
  });
  const { youMay } = await getRequest(requester, ended.id);
  expect(youMay.retry).toMatchObject({ code: "request.retried" });
  // The one that asked again can be asked again itself.
  await services.db.update(requests).set({ status: "failed" }).where(eq(requests.id, again!.id));
  await services.db.update(requestTargets).set({ status: "failed" }).where(eq(requestTargets.requestId, again!.id));
  expect(await codeOf(retryRequest(requester, again!.id))).toBe("done");
  expect(await codeOf(retryRequest(requester, ended.id))).toBe("request.retried");
  // What was denied asks for nothing.
  await services.db.update(requests).set({ status: "denied" }).where(eq(requests.id, again!.id));
  expect(await codeOf(retryRequest(requester, ended.id))).toBe("done");
  expect(await retriesOf()).toHaveLength(2);
});

it("made by an older version answers as it did", async () => {
  const input = body("idem-5");
  const { id } = await createRequest(requester, input);
  await services.db.update(requests).set({ bodyHash: null }).where(eq(requests.id, id));
  expect(await createRequest(requester, { ...input, note: "x" })).toMatchObject({ id, isNew: false });
});

it("cancels a target only of its own request, and a pending one as a whole", async () => {
  const one = await createRequest(requester, body("cancel-1"));
  const two = body("cancel-2");
  const second = { ...two.targets[0]!, name: "cancel-3" };
  const other = await createRequest(requester, { ...two, targets: [...two.targets, second] });
  const targetOf = async (id: string) =>
    (
      await services.db
        .select()
        .from(requestTargets)
        .where(eq(requestTargets.requestId, id))
        .orderBy(requestTargets.position)
    )[0]!.id;
  const statusOf = async (id: string) =>
    (await services.db.select().from(requests).where(eq(requests.id, id)))[0]!.status;
  for (const target of [await targetOf(other.id), randomUUID()])
    expect(await codeOf(cancelRequest(requester, one.id, target))).toBe("request.target-not-found");
  expect(await codeOf(cancelRequest(requester, one.id, await targetOf(one.id)))).toBe("request.decided-whole");
  expect([await statusOf(one.id), await statusOf(other.id)]).toEqual(["pending", "pending"]);
  expect(await codeOf(cancelRequest(requester, one.id, null))).toBe("done");
  expect([await statusOf(one.id), await statusOf(other.id)]).toEqual(["cancelled", "pending"]);
  const [target] = await services.db
    .update(requestTargets)
    .set({ status: "succeeded" })
    .where(eq(requestTargets.id, await targetOf(other.id)))
    .returning();
  await services.db.update(requests).set({ status: "running" }).where(eq(requests.id, other.id));
  expect(await codeOf(cancelRequest(requester, other.id, target!.id))).toBe("request.target-ended");
});
