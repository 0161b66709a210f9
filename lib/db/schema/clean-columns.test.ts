import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Database } from "#lib/db/client.ts";
import { hosts, images, imageDisks, imageVersions, inventoryItems, jobLog, jobs } from "#lib/db/schema.ts";
import { openTestDatabase } from "#lib/db/testing.ts";

let database: Database;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const FOUL = "a\0b\ud800c\udc00d 😀";
const CLEAN = "ab\ufffdc\ufffdd 😀";

it("keeps what errors, logs, hosts and images say, without what a database cannot keep", async () => {
  const { db } = database;
  const error = {
    kind: "unprocessable" as const,
    code: "image.path-escapes",
    message: FOUL,
    details: { [FOUL]: FOUL, list: [FOUL] },
  };
  const [job] = await db
    .insert(jobs)
    .values({
      kind: "image.import",
      title: FOUL,
      error,
      subjectKind: "image",
      subjectId: "i",
      input: {},
      createdByName: "Ada",
    })
    .returning();
  expect(job).toMatchObject({ title: CLEAN, error: { message: CLEAN, details: { [CLEAN]: CLEAN, list: [CLEAN] } } });
  await db.update(jobs).set({ stages: [{ id: "x", state: "failed", label: FOUL } as never] });
  const [line] = await db
    .insert(jobLog)
    .values({ jobId: job?.id ?? "", level: "info", text: FOUL })
    .returning();
  expect(line?.text).toBe(CLEAN);

  const [host] = await db
    .insert(hosts)
    .values({ name: "h", vendor: "kvm", connection: {} as never, error })
    .returning();
  await db
    .insert(inventoryItems)
    .values({ hostId: host?.id ?? "", kind: "vm", ref: FOUL, name: FOUL, data: { kind: "vm", name: FOUL } as never });
  // Asked for by what the host says, it is found.
  const [item] = await db.select().from(inventoryItems).where(eq(inventoryItems.ref, FOUL));
  expect(item).toMatchObject({ ref: CLEAN, name: CLEAN, data: { kind: "vm", name: CLEAN } });

  const [image] = await db.insert(images).values({ name: "i", createdByName: "Ada" }).returning();
  const id = randomUUID();
  await db.insert(imageVersions).values({
    id,
    imageId: image?.id ?? "",
    number: 1,
    state: "failed",
    error,
    source: { kind: "capture", hostName: "h", vmName: FOUL, disk: FOUL },
    hints: { cpus: null, memory: null, firmware: null, bus: null, nic: null },
    folder: id,
    createdByName: "Ada",
  });
  await db.insert(imageDisks).values({
    versionId: id,
    position: 0,
    files: [],
    virtualSize: 1,
    details: { description: FOUL },
    notes: [FOUL],
    guest: { os: { name: FOUL } } as never,
    sha256: [],
  });
  const [disk] = await db.select().from(imageDisks);
  expect(disk).toMatchObject({ details: { description: CLEAN }, notes: [CLEAN], guest: { os: { name: CLEAN } } });
});

it("leaves null, dates and numbers what they are, and refuses what people type", async () => {
  const { db } = database;
  const [job] = await db
    .insert(jobs)
    .values({ kind: "image.import", title: "t", subjectKind: "image", subjectId: "i", input: {}, createdByName: "Ada" })
    .returning();
  expect(job).toMatchObject({ error: null, stages: [], progress: null });
  await expect(db.insert(images).values({ name: "x\0y", createdByName: "Ada" })).rejects.toThrow();
});
