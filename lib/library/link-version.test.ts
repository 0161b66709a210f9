/** A version is what requests were approved for: linking the VM again never changes one. */
import { randomUUID } from "node:crypto";
import { asc, eq } from "drizzle-orm";
import { afterAll, beforeAll, expect, it } from "vitest";
import { auditEntries, imageDisks, images, imageVersions } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import type { Ctx } from "#lib/services/context.ts";
import { testPerson } from "#lib/services/testing.ts";
import { NO_HINTS } from "./create-version.ts";
import { linkVersion, type NewLink } from "./link-version.ts";

let services: TestServices;
let operator: Ctx;
beforeAll(async () => {
  services = await testServices();
  operator = await testPerson(services, "operator");
});
afterAll(() => services.close());

const GiB = 2 ** 30;
const linkOf = (vmRef = randomUUID()): NewLink => ({
  name: "web on kvm",
  source: {
    kind: "linked",
    hostId: "5b4c2b9e-1f1f-4f0e-9d58-0d0f6a1c7a10",
    hostName: "kvm",
    vmRef,
    vmName: "web",
    guestOs: null,
    disks: [{ id: "d1", label: "Disk 1" }],
  },
  hints: NO_HINTS,
  disks: [{ format: "qcow2", capacity: GiB, allocated: 1000 }],
});
const link = (what: NewLink) => services.db.transaction((tx) => linkVersion(tx, operator.actor, what));
const disksOf = (versionId: string) => services.db.select().from(imageDisks).where(eq(imageDisks.versionId, versionId));
const entriesOf = (imageId: string) =>
  services.db.select().from(auditEntries).where(eq(auditEntries.subjectId, imageId)).orderBy(asc(auditEntries.seq));

it("answers the version that says the same, and writes nothing", async () => {
  const what = linkOf();
  const first = await link(what);
  const before = await disksOf(first.versionId);
  expect(await Promise.all([link(what), link(structuredClone(what))])).toEqual([first, first]);
  // What the guest has written since is not what the version says.
  expect(await link({ ...what, disks: [{ ...what.disks[0]!, allocated: 2000 }] })).toEqual(first);
  expect(await disksOf(first.versionId)).toEqual(before);
  expect(await entriesOf(first.imageId)).toHaveLength(1);
});

it("makes a new version of the same image where the VM has changed, and leaves the old one as it was", async () => {
  const what = linkOf();
  const first = await link(what);
  const [version] = await services.db.select().from(imageVersions).where(eq(imageVersions.id, first.versionId));
  const disks = await disksOf(first.versionId);
  await services.db.update(images).set({ name: "another name" }).where(eq(images.id, first.imageId));
  const grown = { ...what, disks: [{ ...what.disks[0]!, capacity: 2 * GiB }] };
  const second = await link(grown);
  expect(second.imageId).toBe(first.imageId);
  expect(second.versionId).not.toBe(first.versionId);
  expect(await services.db.select().from(imageVersions).where(eq(imageVersions.id, first.versionId))).toEqual([
    version,
  ]);
  expect(await disksOf(first.versionId)).toEqual(disks);
  expect(await disksOf(second.versionId)).toMatchObject([{ virtualSize: 2 * GiB }]);
  expect(await link(grown)).toEqual(second);
  const renamed = await link({ ...grown, source: { ...grown.source, vmName: "web-1" } });
  expect(renamed.imageId).toBe(first.imageId);
  // As it was at first: that is a change too, and not the old version once more.
  const back = await link(what);
  expect([first, second, renamed].map(({ versionId }) => versionId)).not.toContain(back.versionId);
  expect((await entriesOf(first.imageId)).map(({ action, details }) => [action, details["version"]])).toEqual([
    ["image.linked", 1],
    ["image.linked", 2],
    ["image.linked", 3],
    ["image.linked", 4],
  ]);
});

it("of other disks is another image", async () => {
  const what = linkOf();
  const first = await link(what);
  const more = { ...what.source, disks: [...what.source.disks, { id: "d2", label: "Disk 2" }] };
  const second = await link({ ...what, source: more, disks: [what.disks[0]!, what.disks[0]!] });
  expect(second.imageId).not.toBe(first.imageId);
});
