import { execFileSync } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { access, copyFile, mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { and, eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { writeRepeats } from "#lib/audit/repeats.ts";
import { auditEntries, imageVersions, inventoryItems, jobs, ledger, requests, settings } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import type { Vendor } from "#lib/domain/hardware.ts";
import { ImageDetail, type ImageVersion } from "#lib/domain/image.ts";
import type { Vm } from "#lib/domain/inventory.ts";
import { startInventorySync, type InventorySync } from "#lib/inventory/sync.ts";
import type { OpenJobQueue } from "#lib/jobs/queue.ts";
import { startRunner, type Runner } from "#lib/jobs/runner.ts";
import { analyseHandler } from "#lib/library/jobs/analyse.ts";
import { captureHandler } from "#lib/library/jobs/capture.ts";
import { importHandler } from "#lib/library/jobs/import.ts";
import { locateVersion } from "#lib/library/open-version.ts";
import { startLibrarySweep, type LibrarySweep } from "#lib/library/sweep.ts";
import { createUploadHandler } from "#lib/library/uploads.ts";
import type { Ctx } from "#lib/services/context.ts";
import { addDemoHosts } from "#lib/services/host/add-demo-hosts.ts";
import { testPerson } from "#lib/services/testing.ts";
import { registerImageRoutes } from "./image.ts";
import { testApi, type TestApi } from "./testing.ts";

let services: TestServices;
let runner: Runner;
let sync: InventorySync;
let sweep: LibrarySweep;
let admin: Ctx;
let api: TestApi;
let uploads: string;
let work: string;
const servers: Server[] = [];
const MiB = 1024 * 1024;
const patient = { timeout: 40_000, interval: 100 };

const run = () =>
  startRunner(
    services,
    services.jobs as OpenJobQueue,
    {
      deploy: { run: async () => undefined },
      "image.analyse": analyseHandler,
      "image.import": importHandler,
      "image.capture": captureHandler,
    },
    { concurrency: 2 },
  );

/** An address of this machine in its network: nothing is ever fetched from loopback. */
function ownAddress(): { address: string; family: string } {
  const found = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ address, internal }) => !internal && !/^(?:169\.254\.|fe[89ab])/i.test(address));
  if (found === undefined) throw new Error("this test needs a network interface besides loopback");
  return found;
}
const ownNetwork = () => `${ownAddress().address}/${ownAddress().family === "IPv4" ? 32 : 128}`;

async function serve(listener: RequestListener): Promise<string> {
  const { address, family } = ownAddress();
  const server = createServer(listener);
  server.listen(0, address);
  await once(server, "listening");
  servers.push(server);
  return `http://${family === "IPv4" ? address : `[${address}]`}:${(server.address() as AddressInfo).port}`;
}

async function allow(change: Record<string, unknown>): Promise<void> {
  const value = { importFolders: [join(work, "allowed")], ...change };
  await services.db
    .insert(settings)
    .values({ key: "settings", value })
    .onConflictDoUpdate({ target: settings.key, set: { value } });
}

beforeAll(async () => {
  services = await testServices();
  work = await mkdtemp(join(tmpdir(), "image-api-test-"));
  await mkdir(join(work, "allowed"));
  await allow({});
  admin = await testPerson(services, "administrator");
  const people = {
    admin,
    operator: await testPerson(services, "operator"),
    auditor: await testPerson(services, "auditor"),
    requester: await testPerson(services, "requester"),
  };
  api = testApi(services, people, [registerImageRoutes]);
  const handler = createUploadHandler(services, { counts: async () => true, everyMs: 60_000 });
  uploads = `${await serve((request, response) => void handler(request, response, admin).catch(() => response.destroy()))}/api/v1/uploads`;
  sweep = await startLibrarySweep(services);
  runner = await run();
  sync = await startInventorySync(services);
  await makeDisk();
});
afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  await sync.close();
  await runner.close();
  await sweep.close();
  await services.close();
  await rm(work, { recursive: true });
});

const qemuImg = (...args: string[]) => execFileSync("qemu-img", args, { cwd: work, stdio: "pipe" });

/** 64 MiB, data at both ends and in the middle. */
async function makeDisk(): Promise<void> {
  await using file = await open(join(work, "disk.raw"), "w");
  await file.truncate(64 * MiB);
  // Boot code, one active Linux partition and the mark: a BIOS boots it.
  const first = randomBytes(MiB);
  first.fill(0, 440, 512);
  first.set([0x80, 0, 0, 0, 0x83, 0, 0, 0], 446);
  first.writeUInt32LE(2048, 454);
  first.writeUInt32LE(100_000, 458);
  first.set([0x55, 0xaa], 510);
  await file.write(first, 0, MiB, 0);
  await file.write(randomBytes(MiB), 0, MiB, 30 * MiB + 4096);
  await file.write(randomBytes(512), 0, 512, 64 * MiB - 512);
}

async function upload(path: string, pairs: Record<string, string> = {}): Promise<string | null> {
  const bytes = await readFile(path);
  const metadata = { filename: path.split("/").at(-1) ?? "", ...pairs };
  const header = Object.entries(metadata)
    .map(([key, value]) => `${key} ${Buffer.from(value).toString("base64")}`)
    .join(",");
  const tus = { "Tus-Resumable": "1.0.0" };
  const made = await fetch(uploads, {
    method: "POST",
    headers: { ...tus, "Upload-Length": String(bytes.length), "Upload-Metadata": header },
  });
  const at = new URL(made.headers.get("location") ?? "", uploads);
  const sent = await fetch(at, {
    method: "PATCH",
    headers: { ...tus, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream" },
    body: bytes,
  });
  expect(sent.status).toBe(204);
  return sent.headers.get("supravisor-image");
}

async function detail(imageId: string): Promise<z.infer<typeof ImageDetail>> {
  const answer = await api.call("auditor", "GET", `/images/${imageId}`);
  expect(answer.status, JSON.stringify(answer.json)).toBe(200);
  return ImageDetail.parse(answer.json);
}

async function settled(imageId: string | null): Promise<ImageVersion> {
  expect(imageId).not.toBeNull();
  let newest: ImageVersion | undefined;
  await expect
    .poll(async () => (newest = (await detail(imageId ?? "")).versions[0])?.state, patient)
    .toMatch(/ready|failed/);
  if (newest === undefined) throw new Error("no version");
  return newest;
}

async function folderOf(versionId: string): Promise<string> {
  const [row] = await services.db.select().from(imageVersions).where(eq(imageVersions.id, versionId));
  return join(services.dataDir, "library", row?.folder ?? "none");
}

const stateOfLedger = async (jobId: string | null) =>
  (
    await services.db
      .select()
      .from(ledger)
      .where(eq(ledger.jobId, jobId ?? ""))
  )[0]?.state;
const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
const Started = z.object({ image: z.object({ id: z.uuid() }), jobId: z.uuid() });

const descriptor = (extent: string) =>
  `# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="monolithicFlat"\n${extent}\nddb.adapterType = "ide"\n`;

const HOSTILE: [string, string, (path: string) => Promise<void>][] = [
  [
    "a VMDK whose extent leads out",
    "image.sibling-missing",
    (path) => writeFile(path, descriptor('RW 2048 FLAT "../../x" 0')),
  ],
  [
    "a qcow2 backed by /etc/passwd",
    "image.parent-missing",
    async (path) => {
      qemuImg("create", "-f", "qcow2", "-u", "-b", "/etc/passwd", "-F", "raw", path, "16M");
    },
  ],
  [
    "a qcow2 that is cut off",
    "image.truncated",
    async (path) => {
      qemuImg("convert", "-O", "qcow2", "disk.raw", path);
      await using file = await open(path, "r+");
      await file.truncate(400_000);
    },
  ],
];

let fingerprint = "";
const stored = ({ disks }: ImageVersion) => disks.filter((disk) => !disk.linked);

describe("an upload", () => {
  it("of a streamOptimized VMDK becomes ready, with everything that can be told of it", async () => {
    qemuImg("convert", "-O", "vmdk", "-o", "subformat=streamOptimized", "disk.raw", "golden.vmdk");
    const version = await settled(await upload(join(work, "golden.vmdk")));
    expect(version.error).toBeNull();
    const [disk] = stored(version);
    const file = await readFile(join(work, "golden.vmdk"));
    expect(disk).toMatchObject({
      format: "vmdk",
      variant: "streamOptimized",
      virtualSize: 64 * MiB,
      storedSize: file.length,
      files: ["golden.vmdk"],
    });
    expect(disk?.sha256).toEqual([createHash("sha256").update(file).digest("hex")]);
    expect(disk?.allocation.slices).toHaveLength(256);
    expect(disk?.allocation.dataBytes).toBeLessThan(4 * MiB);
    expect(await stateOfLedger(version.jobId)).toBe("kept");
    const located = await locateVersion(services, version.id);
    expect(located.disks).toMatchObject([{ format: "vmdk", virtualSize: 64 * MiB, fingerprint: disk?.fingerprint }]);
    expect(await readFile(located.disks[0]?.path ?? "")).toEqual(file);
    expect(disk?.guest.boots).toEqual({ bios: true, uefi: false });
    expect(version.hints.firmware).toBe("bios");
    fingerprint = disk?.fingerprint ?? "";
  });

  it("of bytes that say nothing fails until a person says that they are raw", async () => {
    await copyFile(join(work, "disk.raw"), join(work, "mystery.bin"));
    const imageId = await upload(join(work, "mystery.bin"));
    const failed = await settled(imageId);
    expect(failed).toMatchObject({ state: "failed", error: { code: "image.unknown-format" } });
    const answer = await api.call("operator", "PATCH", `/images/${imageId}/versions/${failed.id}`, { from: "raw" });
    expect(answer.status).toBe(202);
    const version = await settled(imageId);
    expect(version).toMatchObject({ state: "ready", error: null, disks: [{ format: "raw", fingerprint }] });
  });

  it("of a set is one disk, opened by the file that names the others", async () => {
    await mkdir(join(work, "split"));
    qemuImg("convert", "-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", "disk.raw", "split/split.vmdk");
    const set = randomUUID();
    const names = (await readdir(join(work, "split"))).sort();
    expect(names.length).toBeGreaterThan(1);
    let imageId: string | null = null;
    for (const name of names)
      imageId = (await upload(join(work, "split", name), { set, setSize: String(names.length) })) ?? imageId;
    const version = await settled(imageId);
    expect(version).toMatchObject({ state: "ready", disks: [{ fileName: "split.vmdk", fingerprint }] });
    expect(version.disks.flatMap((disk) => (disk.linked ? [] : disk.files)).sort()).toEqual(names);
  });

  it.each(HOSTILE)("of %s fails and stays so", async (name, code, make) => {
    const path = join(work, `${createHash("md5").update(name).digest("hex")}.img`);
    await make(path);
    const imageId = await upload(path);
    const version = await settled(imageId);
    expect(version.state).toBe("failed");
    expect(version.error?.code).toBe(code);
    expect(version.disks).toEqual([]);
    const [job] = await services.db
      .select()
      .from(jobs)
      .where(eq(jobs.id, version.jobId ?? ""));
    expect(job).toMatchObject({ state: "failed", error: { code: version.error?.code } });
    await expect(locateVersion(services, version.id)).rejects.toMatchObject({ code: "image.not-ready" });
    // Said to be raw it is the file's own bytes, never what it points to.
    await api.call("operator", "PATCH", `/images/${imageId}/versions/${version.id}`, { from: "raw" });
    const raw = await settled(imageId);
    expect(raw.disks[0]).toMatchObject({
      format: "raw",
      storedSize: (await stat(path)).size,
      files: [path.split("/").at(-1)],
    });
  });
});

describe("an import", () => {
  it("from an allowed folder takes the files that the image names, and leaves holes out", async () => {
    for (const name of await readdir(join(work, "split")))
      await copyFile(join(work, "split", name), join(work, "allowed", name));
    const answer = await api.call("operator", "POST", "/images/import-folder", {
      path: join(work, "allowed", "split.vmdk"),
      name: "from the folder",
    });
    expect(answer.status).toBe(202);
    const version = await settled(Started.parse(answer.json).image.id);
    expect(version).toMatchObject({ state: "ready", disks: [{ fingerprint }], source: { kind: "folder" } });
    await copyFile(join(work, "disk.raw"), join(work, "allowed", "sparse.raw"));
    const raw = await api.call("operator", "POST", "/images/import-folder", {
      path: join(work, "allowed", "sparse.raw"),
      from: "raw",
    });
    const second = await settled(Started.parse(raw.json).image.id);
    expect(second.disks).toMatchObject([{ linked: false, fingerprint }]);
    const info = await stat(join(await folderOf(second.id), "sparse.raw"));
    expect(info.size).toBe(64 * MiB);
    expect(info.blocks * 512).toBeLessThan(8 * MiB);
  });

  it("from a machine's folder takes the machine and its disks, wherever below the folder they lie", async () => {
    const folder = join(work, "allowed", "web 1.0");
    await mkdir(join(folder, "Virtual Machines"), { recursive: true });
    await mkdir(join(folder, "Virtual Hard Disks"));
    await writeFile(join(folder, "Virtual Hard Disks", "notes.txt"), "not for the library");
    const disk = join(folder, "Virtual Hard Disks", "d.vhdx");
    execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "vhdx", join(work, "disk.raw"), disk]);
    const settings = join(folder, "Virtual Machines", "AB.xml");
    await writeFile(
      settings,
      `<configuration><_83f8638b-8dca-4152-9eda-2ca8b33039b4_><controller0><drive0><pathname>D:\\VMs\\d.vhdx</pathname></drive0></controller0></_83f8638b-8dca-4152-9eda-2ca8b33039b4_><properties><name>web</name></properties><settings><processors><count>3</count></processors></settings></configuration>`,
    );
    for (const path of [folder, settings]) {
      const answer = await api.call("operator", "POST", "/images/import-folder", { path });
      const { image } = Started.parse(answer.json);
      const version = await settled(image.id);
      expect(version).toMatchObject({
        state: "ready",
        error: null,
        hints: { cpus: 3 },
        disks: [{ fingerprint, files: ["AB.xml", "d.vhdx"] }],
      });
      expect((await readdir(await folderOf(version.id))).sort()).toEqual(["AB.xml", "d.vhdx"]);
    }
    const raw = await api.call("operator", "POST", "/images/import-folder", { path: folder, from: "raw" });
    expect(raw.json).toMatchObject({ error: { code: "import.format-of-folder" } });
  });

  it("refuses a path outside, and a descriptor that names one", async () => {
    const outside = await api.call("operator", "POST", "/images/import-folder", { path: "/etc/passwd" });
    expect(outside).toMatchObject({ status: 403, json: { error: { code: "import.outside-folders" } } });
    const up = await api.call(
      "operator",
      "GET",
      `/images/folders?path=${encodeURIComponent(join(work, "allowed", ".."))}`,
    );
    expect(up.status).toBe(403);
    await writeFile(join(work, "allowed", "evil.vmdk"), descriptor('RW 131072 FLAT "../disk.raw" 0'));
    const answer = await api.call("operator", "POST", "/images/import-folder", {
      path: join(work, "allowed", "evil.vmdk"),
    });
    const version = await settled(Started.parse(answer.json).image.id);
    expect(version).toMatchObject({ state: "failed", error: { code: "image.sibling-missing" } });
    expect(await exists(await folderOf(version.id))).toBe(false);
    expect(await stateOfLedger(version.jobId)).toBe("removed");
  });

  it("from a private URL is refused unless an administrator lists its network", async () => {
    const bytes = await readFile(join(work, "golden.vmdk"));
    const url = `${await serve((_request, response) => response.end(bytes))}/golden.vmdk?signature=s3cr3tsignature`;
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const import_ = (body: object) => api.call("operator", "POST", "/images/import-url", { sha256, ...body });
    expect(await import_({ url })).toMatchObject({ status: 403, json: { error: { code: "import.private-address" } } });
    await allow({ importNetworks: [ownNetwork()] });
    const imported = Started.parse((await import_({ url, name: "from the net" })).json);
    const imageId = imported.image.id;
    expect(await settled(imageId)).toMatchObject({ number: 1, state: "ready", disks: [{ fingerprint }] });
    const wrong = await import_({ url, sha256: "0".repeat(64), imageId });
    expect(wrong.status).toBe(202);
    const mismatch = await settled(imageId);
    expect(mismatch).toMatchObject({ number: 2, state: "failed", error: { code: "import.checksum-mismatch" } });
    expect((await detail(imageId)).latest.number).toBe(1);
    // What lies in a private network is told to nobody by its sum.
    expect(JSON.stringify(mismatch.error)).not.toContain(sha256);
    // What the settings said when it was asked for is not what counts when it is fetched.
    await runner.close();
    const late = await import_({ url, imageId });
    await allow({ importNetworks: [] });
    runner = await run();
    expect(late.status).toBe(202);
    const failed = await settled(imageId);
    expect(failed).toMatchObject({ number: 3, state: "failed", error: { code: "import.private-address" } });
    expect(await exists(await folderOf(failed.id))).toBe(false);
    await allow({ importNetworks: [ownNetwork()] });
    expect(api.said.join("")).not.toContain("s3cr3tsignature");
    const stored = JSON.stringify(await services.db.select().from(jobs));
    expect(stored).not.toContain("s3cr3tsignature");
  });

  it("from this server itself, or its link, is refused whatever is listed", async () => {
    for (const host of [
      "127.0.0.1",
      "localhost",
      "localhost.",
      "[::1]",
      "2130706433",
      "169.254.169.254",
      "a.invalid",
    ]) {
      const url = `http://${host}:8080/x.img`;
      const answer = await api.call("operator", "POST", "/images/import-url", { url, sha256: "0".repeat(64) });
      expect(answer.status, host).toBe(host === "a.invalid" ? 422 : 403);
    }
  });

  it("goes on anew when its worker went away in the middle", async () => {
    const bytes = await readFile(join(work, "golden.vmdk"));
    let hang = true;
    const url = await serve((_request, response) => {
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, 100_000));
      if (!hang) response.end(bytes.subarray(100_000));
    });
    const answer = await api.call("operator", "POST", "/images/import-url", {
      url: `${url}/again.vmdk`,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    });
    const imageId = Started.parse(answer.json).image.id;
    const versionId = (await detail(imageId)).latest.id;
    await expect
      .poll(async () => readdir(await folderOf(versionId)).catch(() => []), patient)
      .toEqual([".again.vmdk.part"]);
    await runner.close();
    expect((await detail(imageId)).latest.state).toBe("receiving");
    hang = false;
    runner = await run();
    const version = await settled(imageId);
    expect(version).toMatchObject({ state: "ready", disks: [{ fingerprint }] });
    expect(await readdir(await folderOf(versionId))).toEqual(["again.vmdk"]);
  });

  it("that is cancelled leaves nothing", async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { "content-length": 1_000_000 });
      response.write(Buffer.alloc(1000));
    });
    const answer = await api.call("operator", "POST", "/images/import-url", {
      url: `${url}/slow.img`,
      sha256: "0".repeat(64),
    });
    const { image, jobId } = Started.parse(answer.json);
    const versionId = (await detail(image.id)).latest.id;
    await expect.poll(async () => exists(await folderOf(versionId)), patient).toBe(true);
    await services.db.transaction((tx) => services.jobs.requestCancel(tx, jobId, { name: "Ada" }));
    const version = await settled(image.id);
    expect(version).toMatchObject({ state: "failed", error: { code: "job.cancelled" } });
    expect(await exists(await folderOf(versionId))).toBe(false);
    await expect
      .poll(async () => (await services.db.select().from(jobs).where(eq(jobs.id, jobId)))[0]?.state, patient)
      .toBe("cancelled");
  });
});

describe("a capture", () => {
  it("takes a stopped VM's disk with its hardware, and a running one's only where the host keeps a moment of it", async () => {
    const hosts = await addDemoHosts(admin);
    const vms = async () =>
      (await services.db.select().from(inventoryItems).where(eq(inventoryItems.kind, "vm"))).flatMap((row) =>
        row.data.kind === "vm" ? [{ hostId: row.hostId, vm: row.data }] : [],
      );
    const capturable = async () =>
      (await vms()).find(({ vm }) => vm.state === "stopped" && vm.disks.some((disk) => disk.captureBlocker === null));
    await expect.poll(async () => (await capturable()) !== undefined, patient).toBe(true);
    const found = await capturable();
    const disk = found?.vm.disks.find(({ captureBlocker }) => captureBlocker === null);
    const answer = await api.call("operator", "POST", "/images/capture", {
      hostId: found?.hostId,
      vmRef: found?.vm.ref,
      diskId: disk?.id,
    });
    expect(answer.status, JSON.stringify(answer.json)).toBe(202);
    const version = await settled(Started.parse(answer.json).image.id);
    expect(version.error).toBeNull();
    expect(version).toMatchObject({
      state: "ready",
      source: { kind: "capture", vmName: found?.vm.name },
      hints: { cpus: found?.vm.cpus, memory: found?.vm.memory, firmware: found?.vm.firmware },
      disks: [{ format: "qcow2" }],
    });
    const path = join(await folderOf(version.id), "disk.qcow2");
    expect(JSON.parse(qemuImg("check", "--output=json", path).toString())).toMatchObject({ "check-errors": 0 });
    // Each vendor by name: which host is read first is chance.
    const ofRunning = async (vendor: Vendor) => {
      const host = hosts.find((row) => row.vendor === vendor);
      const running = async () =>
        (await vms()).find(
          ({ hostId, vm }) =>
            hostId === host?.id && vm.state === "running" && vm.disks.some((disk) => disk.captureBlocker === null),
        );
      await expect.poll(async () => (await running()) !== undefined, patient).toBe(true);
      const one = await running();
      return api.call("operator", "POST", "/images/capture", {
        hostId: one?.hostId,
        vmRef: one?.vm.ref,
        diskId: one?.vm.disks.find(({ captureBlocker }) => captureBlocker === null)?.id,
      });
    };
    expect(await ofRunning("kvm")).toMatchObject({ status: 409, json: { error: { code: "vm.running" } } });
    const moment = await ofRunning("vmware");
    expect(moment.status, JSON.stringify(moment.json)).toBe(202);
    expect((await settled(Started.parse(moment.json).image.id)).state).toBe("ready");
  });

  it("takes all disks of a VM into one version, and says which to leave out when one cannot be had", async () => {
    const host = (await addDemoHosts(admin)).find((row) => row.vendor === "vmware");
    const vmNamed = async (name: string) =>
      (await services.db.select().from(inventoryItems).where(eq(inventoryItems.kind, "vm"))).flatMap((row) =>
        row.hostId === host?.id && row.data.kind === "vm" && row.data.name === name ? [row.data] : [],
      )[0];
    const capture = (vm: Vm | undefined, more: object) =>
      api.call("operator", "POST", "/images/capture", { hostId: host?.id, vmRef: vm?.ref, ...more });
    await expect.poll(async () => (await vmNamed("legacy-app"))?.disks.length, patient).toBe(2);
    const whole = await vmNamed("db-01");
    const answer = await capture(whole, {});
    expect(answer.status, JSON.stringify(answer.json)).toBe(202);
    const version = await settled(Started.parse(answer.json).image.id);
    expect(version.error).toBeNull();
    expect(version.source).toMatchObject({ vmName: "db-01", disks: [{ label: "Disk 1" }, { label: "Disk 2" }] });
    const disks = stored(version);
    expect(disks.map(({ position, fileName, files, format }) => [position, fileName, files, format])).toEqual([
      [0, "disk-1.qcow2", ["disk-1.qcow2"], "qcow2"],
      [1, "disk-2.qcow2", ["disk-2.qcow2"], "qcow2"],
    ]);
    const pools = join(services.dataDir, "demo", "vmware", "pools");
    const there = await readdir(pools, { recursive: true });
    for (const [i, disk] of disks.entries()) {
      const source = there.find((path) => basename(path) === basename(whole?.disks[i]?.source ?? "")) ?? "";
      const copy = join(await folderOf(version.id), disk.fileName);
      expect(qemuImg("compare", "-f", "vmdk", "-F", "qcow2", join(pools, source), copy).toString()).toMatch(
        /identical/,
      );
    }
    expect(there.filter((path) => basename(path).startsWith("snapshot-"))).toEqual([]);
    // Read anew, the files are still two disks.
    const image = Started.parse(answer.json).image.id;
    const again = await api.call("operator", "PATCH", `/images/${image}/versions/${version.id}`, { from: null });
    expect(again.status, JSON.stringify(again.json)).toBe(202);
    expect(stored(await settled(image)).map(({ fingerprint }) => fingerprint)).toEqual(
      disks.map(({ fingerprint }) => fingerprint),
    );

    const legacy = await vmNamed("legacy-app");
    const refused = await capture(legacy, {});
    expect(refused).toMatchObject({ status: 409, json: { error: { code: "disk.cannot-capture" } } });
    expect(JSON.stringify(refused.json)).toMatch(/Disk 2: The disk is a pass-through device.*Leave it out/);
    expect(await capture(legacy, { diskIds: ["disk0", "nine"] })).toMatchObject({ status: 404 });
    expect(await capture(legacy, { diskIds: ["disk0", "disk0"] })).toMatchObject({ status: 400 });
    expect(await capture(legacy, { diskIds: ["disk0"], diskId: "disk0" })).toMatchObject({ status: 400 });
    const one = await capture(legacy, { diskIds: ["disk0"] });
    expect(one.status, JSON.stringify(one.json)).toBe(202);
    expect((await settled(Started.parse(one.json).image.id)).disks).toHaveLength(1);
  });
});

describe("an image", () => {
  it("is downloaded as it came, whole and by range", async () => {
    const version = await settled(await upload(join(work, "golden.vmdk"), { name: "download" }));
    const image = (await api.call("admin", "GET", "/images?q=download")).json as { items: { id: string }[] };
    const path = `/images/${image.items[0]?.id}/versions/${version.id}/disks/${version.disks[0]?.id}/file`;
    const trail = () =>
      services.db
        .select()
        .from(auditEntries)
        .where(and(eq(auditEntries.action, "image.downloaded"), eq(auditEntries.subjectId, image.items[0]?.id ?? "")))
        .orderBy(auditEntries.seq);
    // To look at how large it is takes nothing out.
    expect((await api.call("operator", "HEAD", path)).status).toBe(200);
    expect(await trail()).toEqual([]);
    const answer = await api.call("operator", "GET", path);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-disposition")).toContain("golden.vmdk");
    expect(Number(answer.headers.get("content-length"))).toBe((await stat(join(work, "golden.vmdk"))).size);
    const size = (await stat(join(work, "golden.vmdk"))).size;
    await Promise.all([1, 2, 3].map(() => api.call("operator", "GET", path)));
    await writeRepeats(services, -1000);
    const entries = await trail();
    expect(entries.map(({ details }) => details["repeated"] ?? 1)).toEqual([1, 3]);
    expect(entries[0]).toMatchObject({
      result: "ok",
      subjectName: "download",
      details: { version: 1, file: "golden.vmdk", format: "vmdk", bytes: size },
    });
    for (const role of ["requester", "auditor"]) {
      expect(await api.call(role, "GET", path)).toMatchObject({ status: 403 });
      expect((await trail()).at(-1)).toMatchObject({ result: "refused", actorRole: role });
    }
    const other = await api.call("operator", "GET", `${path}?name=${encodeURIComponent("../../secret.key")}`);
    expect(other.status).toBe(404);
  });

  it("is listed by pages and found by name", async () => {
    const first = (await api.call("auditor", "GET", "/images?limit=2")).json as {
      items: { name: string }[];
      next: string;
      total: number;
    };
    expect(first.items).toHaveLength(2);
    const rest = (await api.call("auditor", "GET", `/images?limit=200&cursor=${first.next}`)).json as {
      items: { name: string }[];
      next: null;
    };
    expect(rest.items.length + 2).toBe(first.total);
    expect(rest.next).toBeNull();
    const names = [...first.items, ...rest.items].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it("that a request waits for is not removed; one of the past goes with its files, and its name is free", async () => {
    const imageId = (await upload(join(work, "golden.vmdk"), { name: "wanted" })) ?? "";
    const version = await settled(imageId);
    const choice = {
      requesterId: admin.actor.id ?? "",
      idempotencyKey: randomUUID(),
      planHash: "0".repeat(64),
      plan: {
        version: 1 as const,
        imageId,
        imageVersionId: version.id,
        imageName: "wanted",
        fingerprints: [],
        targets: [],
      },
    };
    const [request] = await services.db
      .insert(requests)
      .values({ ...choice, status: "pending", imageVersionId: version.id })
      .returning();
    expect(await api.call("admin", "DELETE", `/images/${imageId}`)).toMatchObject({
      status: 409,
      json: { error: { code: "image.in-use" } },
    });
    expect(await api.call("admin", "DELETE", `/images/${imageId}/versions/${version.id}`)).toMatchObject({
      status: 409,
    });
    await services.db
      .update(requests)
      .set({ status: "succeeded" })
      .where(eq(requests.id, request?.id ?? ""));
    const folder = await folderOf(version.id);
    expect(await exists(folder)).toBe(true);
    expect((await api.call("admin", "DELETE", `/images/${imageId}`)).status).toBe(204);
    expect(await exists(folder)).toBe(false);
    expect(await stateOfLedger(version.jobId)).toBe("removed");
    expect((await api.call("admin", "GET", `/images/${imageId}`)).status).toBe(404);
    await expect(locateVersion(services, version.id)).rejects.toMatchObject({ code: "image.not-ready" });
    const again = await settled(await upload(join(work, "golden.vmdk"), { name: "wanted" }));
    expect((await api.call("admin", "GET", "/images?q=wanted")).json).toMatchObject({ items: [{ name: "wanted" }] });
    expect(again.number).toBe(1);
  });

  it("is changed by nobody who may only look", async () => {
    const list = (await api.call("auditor", "GET", "/images")).json as {
      items: { id: string; latest: { id: string } }[];
    };
    const image = list.items[0];
    for (const who of ["auditor", "requester"]) {
      for (const [method, path, body] of [
        ["PATCH", `/images/${image?.id}`, { name: "mine" }],
        ["DELETE", `/images/${image?.id}`, undefined],
        ["DELETE", `/images/${image?.id}/versions/${image?.latest.id}`, undefined],
        ["PATCH", `/images/${image?.id}/versions/${image?.latest.id}`, { from: "raw" }],
        ["POST", "/images/import-folder", { path: join(work, "allowed", "split.vmdk") }],
        ["POST", "/images/import-url", { url: "http://example.test/x", sha256: "0".repeat(64) }],
        ["POST", "/images/capture", { hostId: randomUUID(), vmRef: "x", diskId: "x" }],
        ["GET", "/images/folders", undefined],
      ] as const) {
        const answer = await api.call(who, method, path, body);
        expect(answer, `${who} ${method} ${path}`).toMatchObject({
          status: 403,
          json: { error: { code: "auth.forbidden" } },
        });
      }
    }
  });
});
