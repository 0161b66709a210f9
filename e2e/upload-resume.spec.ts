/** Uploads that are cut in the middle, by a reload or by kill -9 of the console, arrive as they were. */
import { createHash, randomFillSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, type Page } from "@playwright/test";
import { signInByApi, until, type ScriptApi } from "./helpers/api.ts";
import { ADMIN } from "./helpers/console.ts";
import { convertWithQemu } from "./helpers/image-files.ts";
import { settled, type VersionAnswer } from "./helpers/image.ts";
import { signIn } from "./helpers/sign-in.ts";
import { setStage, type Stage } from "./helpers/stage.ts";

const MiB = 1024 ** 2;

interface Begun {
  readonly id: string;
  readonly fileName: string;
  readonly size: number;
  readonly offset: number;
}
type WithHashes = VersionAnswer & { readonly disks: readonly { files: string[]; sha256: string[] }[] };

let stage: Stage;
let raw: string;
test.beforeAll(async () => {
  stage = await setStage();
  raw = join(stage.folder, "noise.raw");
  writeFileSync(raw, randomFillSync(Buffer.alloc(24 * MiB)));
});
test.afterAll(async () => {
  await stage.end();
});

/** Bytes a second that the page may send; -1: as fast as it goes. */
async function limitUploads(page: Page, bytesPerSecond: number): Promise<void> {
  const devTools = await page.context().newCDPSession(page);
  await devTools.send("Network.enable");
  await devTools.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: bytesPerSecond,
  });
}

const unfinished = async (api: ScriptApi) => (await api.ok<{ items: Begun[] }>("GET", "/uploads")).items;

const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

/** The hash of each stored file, by its name, as the library took it. */
async function storedHashes(api: ScriptApi, page: Page): Promise<Record<string, string>> {
  const link = page.getByRole("list", { name: "Uploads" }).getByRole("link", { name: "Open image" });
  await expect(link.first()).toBeVisible({ timeout: 60_000 });
  const id = (await link.first().getAttribute("href"))?.split("/").pop() ?? "";
  const image = await settled(api, id);
  expect(image.latest.error).toBeNull();
  expect(image.latest.disks).toHaveLength(1);
  const [disk] = (image.latest as WithHashes).disks;
  return Object.fromEntries((disk?.files ?? []).map((name, index) => [name, disk?.sha256[index] ?? ""]));
}

test("a descriptor and its extent stay one disk when the page is reloaded in the middle", async ({ page }) => {
  const descriptor = convertWithQemu(raw, join(stage.folder, "pair.vmdk"), "vmdk", ["subformat=monolithicFlat"]);
  const extent = join(stage.folder, "pair-flat.vmdk");
  await signIn(page, stage.console.url, ADMIN);
  await page.goto(`${stage.console.url}/images`);
  await limitUploads(page, 3 * MiB);
  await page.getByLabel("Disk image files").setInputFiles([descriptor, extent]);
  const before = await until(
    "the descriptor whole, the extent in the middle",
    () => unfinished(stage.admin),
    (items) =>
      items.length === 2 &&
      items.some((item) => item.fileName === "pair.vmdk" && item.offset === item.size) &&
      items.some((item) => item.fileName === "pair-flat.vmdk" && item.offset > 0 && item.offset < item.size),
  );
  await page.reload();
  await expect(page.getByText("Begun and not finished")).toBeVisible();
  await expect(page.getByText("waits for the other files of its disk")).toBeVisible();
  const begunAnew: string[] = [];
  page.on("request", (request) => {
    if (request.method() === "POST" && request.url().endsWith("/api/v1/uploads")) begunAnew.push(request.url());
  });
  await limitUploads(page, -1);
  await page.getByLabel("Disk image files").setInputFiles([extent, descriptor]);
  expect(await storedHashes(stage.admin, page)).toEqual({
    "pair.vmdk": sha256(descriptor),
    "pair-flat.vmdk": sha256(extent),
  });
  expect(before).toHaveLength(2);
  expect(begunAnew, "uploads that were begun a second time").toEqual([]);
  expect(await unfinished(stage.admin)).toEqual([]);

  // The set is over: the same files chosen once more are another image, not the old one again.
  await page.reload();
  await page.getByLabel("Disk image files").setInputFiles([extent, descriptor]);
  await storedHashes(stage.admin, page);
  expect(begunAnew).toHaveLength(2);
  const { items } = await stage.admin.ok<{ items: { name: string }[] }>("GET", "/images");
  expect(items.filter((image) => image.name.startsWith("pair"))).toHaveLength(2);
});

test("an upload goes on by itself after kill -9 of the console", async ({ page }) => {
  const path = convertWithQemu(raw, join(stage.folder, "killed.qcow2"), "qcow2");
  await signIn(page, stage.console.url, ADMIN);
  await page.goto(`${stage.console.url}/images`);
  await limitUploads(page, 3 * MiB);
  await page.getByLabel("Disk image files").setInputFiles(path);
  const [begun] = await until(
    "the upload in the middle",
    () => unfinished(stage.admin),
    ([item]) => item !== undefined && item.offset > 2 * MiB && item.offset < item.size,
  );
  await stage.console.kill();
  await stage.console.restart();
  const admin = await signInByApi(stage.console.url, ADMIN.email, ADMIN.password);
  await limitUploads(page, -1);
  const [after] = await unfinished(admin);
  // What had come is still there, under the same name, unless the page has already sent the rest.
  if (after !== undefined) {
    expect(after.id).toBe(begun?.id);
    expect(after.offset).toBeGreaterThanOrEqual(begun?.offset ?? 0);
  }
  expect(await storedHashes(admin, page)).toEqual({ "killed.qcow2": sha256(path) });
  expect(await unfinished(admin)).toEqual([]);
});
