/** A whole machine from its page into the library: its disks of one moment, or the package that its host makes. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import { expect, test, type Page } from "@playwright/test";
import { PEOPLE, until } from "./helpers/api.ts";
import { settled, type ImageAnswer } from "./helpers/image.ts";
import { signIn } from "./helpers/sign-in.ts";
import { setStage, type Stage } from "./helpers/stage.ts";

const pictures = join(import.meta.dirname, ".out", "screenshots");
let stage: Stage;

interface VmAnswer {
  hostId: string;
  ref: string;
  hostName: string;
}

test.describe.configure({ mode: "serial" });
test.beforeAll(async () => {
  mkdirSync(pictures, { recursive: true });
  stage = await setStage({ demo: true });
});
test.afterAll(async () => {
  await stage.end();
});

async function openVm(page: Page, host: string, name: string): Promise<void> {
  const { items } = await until(
    `${name} on ${host}`,
    () => stage.admin.ok<{ items: VmAnswer[] }>("GET", `/vms?q=${name}`),
    (answer) => answer.items.some(({ hostName }) => hostName === host),
  );
  const vm = items.find(({ hostName }) => hostName === host)!;
  await page.goto(`${stage.console.url}/vms/${vm.hostId}/${encodeURIComponent(vm.ref)}`);
}

async function imageNow(page: Page): Promise<ImageAnswer> {
  await expect(page).toHaveURL(/\/images\/[0-9a-f-]{36}/);
  return settled(stage.admin, new URL(page.url()).pathname.split("/").pop() ?? "");
}

test("all disks of a running machine become one image", async ({ page }) => {
  await signIn(page, stage.console.url, PEOPLE.operator);
  await openVm(page, "demo-vmware", "db-01");
  await page.getByRole("button", { name: "Capture", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Capture db-01" });
  await expect(dialog.getByRole("checkbox", { name: "Disk 1" })).toBeChecked();
  await dialog.getByRole("checkbox", { name: "Disk 2" }).uncheck();
  await expect(dialog.getByRole("button", { name: "Capture one disk" })).toBeEnabled();
  await dialog.getByRole("checkbox", { name: "Disk 1" }).uncheck();
  await expect(dialog.getByRole("button", { name: /^Capture/ })).toBeDisabled();
  await dialog.getByRole("checkbox", { name: "Disk 2" }).check();
  await dialog.getByRole("checkbox", { name: "Disk 1" }).check();
  const { violations } = await new AxeBuilder({ page }).include("[role=dialog]").analyze();
  expect(violations.map(({ id }) => id)).toEqual([]);
  await page.screenshot({ path: join(pictures, "capture-light.png") });
  await dialog.getByRole("button", { name: "Capture 2 disks" }).click();
  const image = await imageNow(page);
  expect(image.latest.error).toBeNull();
  expect(image.latest.disks).toHaveLength(2);
  await expect(page.getByText("disk-2.qcow2").first()).toBeVisible();
  await page.screenshot({ path: join(pictures, "captured-image-light.png"), fullPage: true });
});

test("a disk that cannot be had is left out, and says why", async ({ page }) => {
  await signIn(page, stage.console.url, PEOPLE.operator);
  await page.setViewportSize({ width: 390, height: 844 });
  await openVm(page, "demo-vmware", "legacy-app");
  await page.getByRole("button", { name: "Capture", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Capture legacy-app" });
  await expect(dialog.getByRole("checkbox", { name: "Disk 2" })).toBeDisabled();
  await expect(dialog.getByText("Left out. The disk is a pass-through device of the host.")).toBeVisible();
  await expect(dialog.getByRole("radiogroup", { name: "What is kept?" })).toHaveCount(0);
  await expect(dialog.getByRole("button", { name: "Capture one disk" })).toBeEnabled();
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
  await page.screenshot({ path: join(pictures, "capture-narrow.png") });
});

test("a Xen host gives the whole machine as XVA", async ({ page }) => {
  await page.emulateMedia({ colorScheme: "dark" });
  await signIn(page, stage.console.url, PEOPLE.operator);
  await openVm(page, "demo-xen", "db-01");
  await page.getByRole("button", { name: "Capture", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Capture db-01" });
  await dialog.getByRole("radio", { name: "The whole machine as XVA" }).click();
  await expect(dialog.getByRole("checkbox")).toHaveCount(0);
  await dialog.getByLabel("Name of the image").fill("db-01 as a package");
  await page.screenshot({ path: join(pictures, "capture-xva-dark.png") });
  await dialog.getByRole("button", { name: "Capture as XVA" }).click();
  const image = await imageNow(page);
  expect(image.latest.error).toBeNull();
  expect(image.latest.disks.map(({ fileName }) => fileName)).toEqual(["db-01.xva", "db-01.xva"]);
  await expect(page.getByText(/captured db-01 on demo-xen as XVA/).first()).toBeVisible();
});

test("a machine that runs on a host without snapshots says so before anybody asks", async ({ page }) => {
  await signIn(page, stage.console.url, PEOPLE.operator);
  await openVm(page, "demo-kvm", "web-01");
  const button = page.getByRole("button", { name: "Capture", exact: true });
  await expect(button).toHaveAttribute("aria-disabled", "true");
  await button.hover();
  await expect(page.getByText(/Shut it down first/).first()).toBeVisible();
});
