/** The same idempotency key: the same request, or a refusal. */
import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, expect, it } from "vitest";
import { auditEntries, requests, requestTargets } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import { deployBench, type Bench } from "#lib/provisioning/testing.ts";
import { cancelRequest } from "./cancel-request.ts";
import { createRequest } from "./create-request.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await deployBench();
}, 120_000);
afterAll(async () => bench.close());

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  );

async function body(name: string, idempotencyKey = randomUUID()) {
  return { imageVersionId: bench.versionId, targets: [await bench.choice("kvm", name)], note: "", idempotencyKey };
}

it("with the same body answers the same request, also to many at once", async () => {
  const input = await body("idem-1");
  const made = await Promise.all(Array.from({ length: 4 }, () => createRequest(bench.requester, input)));
  expect(new Set(made.map(({ id }) => id)).size).toBe(1);
  expect(made.filter(({ isNew }) => isNew)).toHaveLength(1);
  expect((await createRequest(bench.requester, structuredClone(input))).isNew).toBe(false);
  const id = made[0]!.id;
  const entries = await bench.services.db.select().from(auditEntries).where(eq(auditEntries.subjectId, id));
  expect(entries.map(({ action }) => action)).toEqual(["request.created"]);
});

it("with another body is refused, whatever differs, also when both come at once", async () => {
  const input = await body("idem-2");
  await createRequest(bench.requester, input);
  for (const other of [
    { ...input, note: "another" },
    { ...input, targets: [{ ...input.targets[0]!, name: "idem-3" }] },
    { ...input, targets: [{ ...input.targets[0]!, memory: input.targets[0]!.memory * 2 }] },
    { ...input, imageVersionId: randomUUID() },
  ])
    expect(await codeOf(createRequest(bench.requester, other))).toBe("request.idempotency-mismatch");
  // Somebody else's key is another key.
  expect(await codeOf(createRequest(bench.operator, { ...input, note: "mine" }))).toBe("done");
  const one = await body("idem-4");
  const codes = await Promise.all(
    ["a", "b", "c", "d"].map((note) => codeOf(createRequest(bench.requester, { ...one, note }))),
  );
  expect(codes.sort()).toEqual(["done", ...Array<string>(3).fill("request.idempotency-mismatch")]);
  const rows = await bench.services.db.select().from(requests).where(eq(requests.idempotencyKey, one.idempotencyKey));
  expect(rows).toHaveLength(1);
});

it("made by an older version answers as it did", async () => {
  const input = await body("idem-5");
  const { id } = await createRequest(bench.requester, input);
  await bench.services.db.update(requests).set({ bodyHash: null }).where(eq(requests.id, id));
  expect(await createRequest(bench.requester, { ...input, note: "x" })).toMatchObject({ id, isNew: false });
});

it("cancels a target only of its own request, and a pending one as a whole", async () => {
  const one = await createRequest(bench.requester, await body("cancel-1"));
  const other = await createRequest(bench.requester, await body("cancel-2"));
  const targetOf = async (id: string) =>
    (await bench.services.db.select().from(requestTargets).where(eq(requestTargets.requestId, id)))[0]!.id;
  const statusOf = async (id: string) =>
    (await bench.services.db.select().from(requests).where(eq(requests.id, id)))[0]!.status;
  for (const target of [await targetOf(other.id), randomUUID()])
    expect(await codeOf(cancelRequest(bench.requester, one.id, target))).toBe("request.target-not-found");
  expect(await codeOf(cancelRequest(bench.requester, one.id, await targetOf(one.id)))).toBe("request.decided-whole");
  expect([await statusOf(one.id), await statusOf(other.id)]).toEqual(["pending", "pending"]);
  expect(await codeOf(cancelRequest(bench.requester, one.id, null))).toBe("done");
  expect([await statusOf(one.id), await statusOf(other.id)]).toEqual(["cancelled", "pending"]);
  const done = await bench.deploy(await bench.choice("kvm", "cancel-3"));
  await bench.ended(done);
  expect(await codeOf(cancelRequest(bench.requester, done.id, await targetOf(done.id)))).toBe("request.ended");
});
