/** kill -9 of the console in the middle of work: nothing is orphaned, nothing is lost. */
import { readdirSync, existsSync } from "node:fs";
import { randomFillSync } from "node:crypto";
import { writeFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { convertWithQemu } from "./helpers/image-files.ts";
import { settled, type ImageAnswer } from "./helpers/image.ts";
import { type ScriptApi, signInByApi, until } from "./helpers/api.ts";
import { ADMIN } from "./helpers/console.ts";
import { demoHosts, setStage, type Stage } from "./helpers/stage.ts";

let stage: Stage;
test.beforeAll(async () => {
  stage = await setStage({ demo: true });
});
test.afterAll(async () => {
  await stage.end();
});

/** Files in the pools of the simulated host. */
function poolFiles(vendor: string, word = "crash-vm"): string[] {
  const folder = join(stage.console.dataDir, "demo", vendor);
  return existsSync(folder)
    ? readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.includes(word))
    : [];
}

let versionId: string;

async function deploy(api: ScriptApi, version: string, vendor: string, name: string): Promise<string> {
  const host = (await demoHosts(api)).find((h) => h.vendor === vendor)!;
  const imageVersionId = version;
  const choice = await api.ok<object>("POST", "/preflight/defaults", { imageVersionId, hostId: host.id });
  const { id } = await api.ok<{ id: string }>("POST", "/requests", {
    imageVersionId,
    targets: [{ ...choice, name }],
    note: "",
    idempotencyKey: crypto.randomUUID(),
  });
  return id;
}

interface Ended {
  status: string;
  targets: { hostId: string; vmRef: string | null; receipt: { equal: boolean } | null }[];
}

const ended = (api: ScriptApi, id: string): Promise<Ended> =>
  until(
    "request ended",
    () => api.ok<Ended>("GET", `/requests/${id}`),
    (r) => ["succeeded", "failed", "cancelled"].includes(r.status),
    120_000,
  );

test("killed during a deploy, the restarted console ends it cleanly", async () => {
  const raw = join(stage.folder, "big.raw");
  const block = Buffer.alloc(256 * 1024 * 1024);
  randomFillSync(block);
  writeFileSync(raw, block);
  truncateSync(raw, 512 * 1024 * 1024);
  const source = convertWithQemu(raw, join(stage.folder, "big.qcow2"), "qcow2");
  await stage.admin.ok("PATCH", "/settings", { waiveApproval: true, importFolders: [stage.folder] });
  const { image } = await stage.admin.ok<{ image: ImageAnswer }>("POST", "/images/import-folder", { path: source });
  const ready = await settled(stage.admin, image.id);
  expect(ready.latest.error).toBeNull();
  versionId = ready.latest.id;
  const request = await deploy(stage.admin, versionId, "virtualbox", "crash-vm");
  await until(
    "bytes on the host",
    async () => poolFiles("virtualbox"),
    (files) => files.length > 0,
    60_000,
  );
  await stage.console.kill();
  await stage.console.restart();
  const admin = await signInByApi(stage.console.url, ADMIN.email, ADMIN.password);
  const outcome = await ended(admin, request);
  const disks = poolFiles("virtualbox").filter((path) => path.endsWith(".vdi"));
  if (outcome.status === "succeeded") {
    expect(outcome.targets[0]?.receipt?.equal).toBe(true);
    expect(disks).toHaveLength(1);
  } else {
    expect(disks).toEqual([]);
  }
  expect(poolFiles("virtualbox")).toHaveLength(disks.length);
});

test("killed while it reads the disk of a running VM, it leaves nothing on either host", async () => {
  const admin = await signInByApi(stage.console.url, ADMIN.email, ADMIN.password);
  const [source] = (await ended(admin, await deploy(admin, versionId, "vmware", "crash-source"))).targets;
  const link = { hostId: source!.hostId, vmRef: source!.vmRef };
  const linked = await until(
    "the VM in the inventory",
    () => admin.call<{ versionId: string }>("POST", "/images/link", link),
    ({ status }) => status === 200,
  );
  const request = await deploy(admin, linked.json.versionId, "hyperv", "crash-copy");
  await until(
    "the snapshot, and bytes on the other host",
    async () => [poolFiles("vmware", "snapshot-").length, poolFiles("hyperv", "crash-copy").length],
    ([snapshots, copies]) => snapshots === 1 && copies === 1,
    60_000,
  );
  await stage.console.kill();
  expect(poolFiles("vmware", "snapshot-")).toHaveLength(1);
  await stage.console.restart();
  const again = await signInByApi(stage.console.url, ADMIN.email, ADMIN.password);
  const outcome = await ended(again, request);
  expect(outcome).toMatchObject({ status: "succeeded", targets: [{ receipt: { equal: true } }] });
  expect(poolFiles("vmware", "snapshot-")).toEqual([]);
  expect(poolFiles("hyperv", "crash-copy")).toHaveLength(1);
  expect(poolFiles("vmware", "crash-source")).toHaveLength(1);
});
