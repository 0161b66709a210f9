/** A disk of the library given out in another format: to curl, once, and to nobody else. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { auditEntries, settings } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { Scratch } from "#lib/disk/testing/scratch.ts";
import { ImageDetail } from "#lib/domain/image.ts";
import type { Transfer } from "#lib/domain/transfer.ts";
import type { OpenJobQueue } from "#lib/jobs/queue.ts";
import { startRunner, type Runner } from "#lib/jobs/runner.ts";
import { analyseHandler } from "#lib/library/jobs/analyse.ts";
import { importHandler } from "#lib/library/jobs/import.ts";
import { bearer, codeOf, serveApi, type ServedApi } from "./testing-server.ts";

const MiB = 1024 ** 2;
const run = promisify(execFile);
const scratch = new Scratch();
let services: TestServices;
let served: ServedApi;
let runner: Runner;
let person: { id: string; authorization: string };
let where: { imageId: string; versionId: string; diskId: string };

beforeAll(async () => {
  services = await testServices();
  served = await serveApi(services);
  const never = { run: async () => undefined };
  runner = await startRunner(
    services,
    services.jobs as OpenJobQueue,
    { deploy: never, "image.capture": never, "image.analyse": analyseHandler, "image.import": importHandler },
    { concurrency: 1 },
  );
  await services.db.insert(settings).values({ key: "settings", value: { importFolders: [scratch.folder] } });
  scratch.raw("disk.raw", 40 * MiB, [
    [0, MiB],
    [20 * MiB, 3 * MiB],
  ]);
  scratch.qemuImg("convert", "-f", "raw", "-O", "qcow2", "disk.raw", "golden.qcow2");
  const admin = await bearer(services, "administrator");
  person = await bearer(services, "operator");
  const started = await served.ask("POST", "/images/import-folder", admin, { path: scratch.path("golden.qcow2") });
  const { image } = started.json as { image: { id: string } };
  const detail = async () => ImageDetail.parse((await served.ask("GET", `/images/${image.id}`, admin)).json);
  await vi.waitUntil(async () => (await detail()).versions[0]?.state === "ready", { timeout: 30_000 });
  const version = (await detail()).versions[0];
  where = { imageId: image.id, versionId: version?.id ?? "", diskId: version?.disks[0]?.id ?? "" };
});
afterAll(async () => {
  await runner.close();
  await served.close();
  await services.close();
  scratch[Symbol.dispose]();
});

async function offer(format: string, more: object = {}) {
  const answer = await served.ask("POST", "/transfers", person, { ...where, format, ...more });
  expect(answer.status, answer.text).toBe(201);
  const { transfer, token } = answer.json as { transfer: Transfer; token: string };
  return { ...transfer, token, url: served.base + transfer.path.slice("/api/v1".length) };
}
const open = async () => ((await served.ask("GET", "/transfers", person)).json as { items: Transfer[] }).items;
const trail = async (id: string) =>
  (await services.db.select().from(auditEntries).where(eq(auditEntries.subjectId, id)).orderBy(auditEntries.seq)).map(
    ({ action, details }) => ({ action, details }),
  );

describe("the token of a transfer", () => {
  it.each([
    ["is disabled", { disabled: true }, { disabled: false }],
    ["may not take images out any more", { role: "requester" }, { role: "operator" }],
  ])("ends when its owner %s, and does not come back", async (_, change, back) => {
    const admin = await bearer(services, "administrator");
    const { id, token, url } = await offer("raw");
    const take = () => fetch(url, { headers: { Authorization: `Bearer ${token}`, Range: "bytes=0-99" } });
    expect((await take()).status).toBe(206);
    expect((await served.ask("PATCH", `/users/${person.id}`, admin, change)).status).toBe(200);
    expect((await take()).status).toBe(401);
    expect((await served.ask("PATCH", `/users/${person.id}`, admin, back)).status).toBe(200);
    expect((await take()).status).toBe(401);
    const end = (await trail(id)).at(-1);
    expect(end).toMatchObject({ action: "transfer.withdrawn", details: { why: expect.any(String) as string } });
    // The person's own tokens ended too.
    person = await bearer(services, "operator");
  });
});

describe("a transfer", () => {
  it.each(["vhdx", "vmdk", "vdi", "vhd", "raw", "qcow2"])("gives curl the disk as %s, once", async (format) => {
    const { id, token, url, length } = await offer(format);
    const out = scratch.path(`out.${format}`);
    await run("curl", ["-fsS", "-o", out, "-H", `Authorization: Bearer ${token}`, url]);
    expect(readFileSync(out)).toHaveLength(length);
    const said = format === "vhd" ? "vpc" : format;
    expect(scratch.qemuImg("compare", "-f", "raw", "-F", said, "disk.raw", out)).toMatch(/identical/);
    await expect.poll(open).toEqual([]);
    expect((await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status).toBe(401);
    await expect
      .poll(async () => (await trail(id)).map(({ action }) => action))
      .toEqual(["transfer.offered", "transfer.taken", "transfer.delivered"]);
    expect((await trail(id))[2]?.details).toEqual({ delivered: length, length, takenFrom: ["127.0.0.1"] });
    expect(JSON.stringify(await services.db.select().from(auditEntries))).not.toContain(token);
  });

  it("is resumed by ranges in any order, and ends with the last byte of them", async () => {
    const { token, url, length } = await offer("raw");
    const half = length / 2;
    const part = async (range: string) => {
      const response = await fetch(`${url}?token=${token}`, { headers: { range } });
      return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
    };
    expect((await fetch(`${url}?token=${token}`, { method: "HEAD" })).headers.get("content-length")).toBe(
      String(length),
    );
    const second = await part(`bytes=${half}-`);
    expect(await open()).toMatchObject([{ delivered: half }]);
    const first = await part(`bytes=0-${half - 1}`);
    expect([first.status, second.status]).toEqual([206, 206]);
    expect(Buffer.concat([first.bytes, second.bytes]).equals(readFileSync(scratch.path("disk.raw")))).toBe(true);
    await expect.poll(open).toEqual([]);
  });

  it("is nobody else's: not without its token, not with another's, not to withdraw", async () => {
    const mine = await offer("raw");
    const other = await offer("vdi");
    for (const url of [
      mine.url,
      `${mine.url}?token=${other.token}`,
      `${mine.url}?token=`,
      `${mine.url}?token=${person.authorization.slice("Bearer ".length)}`,
    ])
      expect((await fetch(url)).status, url).toBe(401);
    expect((await fetch(mine.url, { headers: { authorization: person.authorization } })).status).toBe(401);
    const stranger = await bearer(services, "administrator");
    expect((await served.ask("GET", "/transfers", stranger)).json).toEqual({ items: [] });
    expect(codeOf(await served.ask("DELETE", `/transfers/${mine.id}`, stranger))).toBe("transfer.not-found");
    for (const { id } of [mine, other])
      expect((await served.ask("DELETE", `/transfers/${id}`, person)).status).toBe(204);
    expect((await fetch(`${mine.url}?token=${mine.token}`)).status).toBe(401);
    expect((await trail(mine.id)).at(-1)?.action).toBe("transfer.withdrawn");
  });

  it("cuts off who is in the middle when it is withdrawn", async () => {
    const { id, token, url } = await offer("raw");
    const slow = run("curl", ["-fsS", "-o", "/dev/null", "--limit-rate", "1M", `${url}?token=${token}`]);
    slow.catch(() => undefined);
    await vi.waitUntil(async () => (await trail(id)).some(({ action }) => action === "transfer.taken"), {
      timeout: 30_000,
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await served.ask("DELETE", `/transfers/${id}`, person)).status).toBe(204);
    await expect(slow).rejects.toMatchObject({ code: 18 });
  });

  it("is refused for what cannot be: no such disk, no length, no such option, too many", async () => {
    const ask = (body: object) => served.ask("POST", "/transfers", person, { ...where, format: "vmdk", ...body });
    expect(codeOf(await ask({ imageId: where.diskId }))).toBe("image.not-found");
    expect(codeOf(await ask({ options: { subformat: "streamOptimized" } }))).toBe("image.not-plannable");
    expect(codeOf(await ask({ options: { nonsense: true } }))).toBe("options.invalid");
    expect(codeOf(await ask({ minutes: 0 }))).toBe("request.invalid");
    const made = [];
    for (let i = 0; i < 16; i += 1) made.push(await offer("raw"));
    expect(codeOf(await ask({}))).toBe("transfer.too-many");
    for (const { id } of made) await served.ask("DELETE", `/transfers/${id}`, person);
  });
});
