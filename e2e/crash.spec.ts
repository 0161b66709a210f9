/** kill -9 of the console in the middle of work: nothing is orphaned, nothing is lost. */
import { readdirSync, existsSync } from "node:fs";
import { randomFillSync } from "node:crypto";
import { writeFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { convertWithQemu } from "./helpers/image-files.ts";
import { settled, type ImageAnswer } from "./helpers/image.ts";
import { signInByApi, until } from "./helpers/api.ts";
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
function poolFiles(vendor: string): string[] {
  const folder = join(stage.console.dataDir, "demo", vendor);
  return existsSync(folder)
    ? readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.includes("crash-vm"))
    : [];
}

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
  const host = (await demoHosts(stage.admin)).find((h) => h.vendor === "virtualbox")!;
  const choice = await stage.admin.ok<object>("POST", "/preflight/defaults", {
    imageVersionId: ready.latest.id,
    hostId: host.id,
  });
  const request = await stage.admin.ok<{ id: string }>("POST", "/requests", {
    imageVersionId: ready.latest.id,
    targets: [{ ...choice, name: "crash-vm" }],
    note: "",
    idempotencyKey: crypto.randomUUID(),
  });
  await until(
    "bytes on the host",
    async () => poolFiles("virtualbox"),
    (files) => files.length > 0,
    60_000,
  );
  await stage.console.kill();
  await stage.console.restart();
  const admin = await signInByApi(stage.console.url, ADMIN.email, ADMIN.password);
  const ended = await until(
    "request ended",
    () =>
      admin.ok<{ status: string; targets: { receipt: { equal: boolean } | null }[] }>("GET", `/requests/${request.id}`),
    (r) => ["succeeded", "failed", "cancelled"].includes(r.status),
    120_000,
  );
  const disks = poolFiles("virtualbox").filter((path) => path.endsWith(".vdi"));
  if (ended.status === "succeeded") {
    expect(ended.targets[0]?.receipt?.equal).toBe(true);
    expect(disks).toHaveLength(1);
  } else {
    expect(disks).toEqual([]);
  }
  expect(poolFiles("virtualbox")).toHaveLength(disks.length);
});
