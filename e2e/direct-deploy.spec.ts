/** From the page of a VM to the receipts of its copies, without a copy in the library. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { PEOPLE } from "./helpers/api.ts";
import { approveByPage, submitByPage } from "./helpers/request.ts";
import { signIn } from "./helpers/sign-in.ts";
import { demoHosts, setStage, type Stage } from "./helpers/stage.ts";

let stage: Stage;
test.beforeAll(async () => {
  stage = await setStage({ demo: true });
});
test.afterAll(async () => {
  await stage.end();
});

test("a running VM goes to another host and to its own", async ({ page, browser }) => {
  const { url, dataDir } = stage.console;
  const hosts = await demoHosts(stage.admin);
  const named = (vendor: string) => hosts.find((host) => host.vendor === vendor)!.name;
  const { items } = await stage.admin.ok<{ items: { hostId: string; ref: string }[] }>(
    "GET",
    `/vms?q=web-01&vendor=vmware`,
  );
  const vm = items[0]!;
  await signIn(page, url, PEOPLE.operator);
  await page.goto(`${url}/vms/${vm.hostId}/${encodeURIComponent(vm.ref)}`);
  await page.getByRole("button", { name: "Deploy to other hosts" }).click();
  await expect(page).toHaveURL(/\/deploy\?image=.*version=/);
  await expect(page.getByText(`on ${named("vmware")}, not copied`).first()).toBeVisible();

  const targets = [named("kvm"), named("vmware")];
  for (const name of targets) {
    await page.getByRole("button", { name: "Add target" }).click();
    await page.getByRole("menuitem", { name: new RegExp(name) }).click();
    await expect(page.locator(`[data-target="${name}"]`).getByLabel("VM name")).not.toHaveValue("");
  }
  await expect(page.getByText("a snapshot of it is read").first()).toBeVisible();
  const id = await submitByPage(page);
  await page.goto(`${url}/requests/${id}`);
  await expect(page.getByText("It is read as it is when the job runs.")).toBeVisible();
  await approveByPage(browser, url, id);
  for (const name of targets) {
    const lane = page.locator(`[data-lane="${name}"]`);
    await expect(lane).toHaveAttribute("data-status", "succeeded", { timeout: 60_000 });
    await expect(lane.locator("[data-receipt=true]")).toContainText("bit for bit what was read of web-01");
    await expect(lane.locator("[data-receipt=true]")).toContainText("a snapshot while it ran");
  }
  const snapshots = readdirSync(join(dataDir, "demo"), { recursive: true, encoding: "utf8" });
  expect(snapshots.filter((path) => path.includes("snapshot-"))).toEqual([]);
  expect(readdirSync(join(dataDir, "library")).filter((name) => !name.startsWith("."))).toEqual([]);

  // In the library it is an entry without a file: nothing there that could only fail.
  await page.getByRole("link", { name: /^web-01 on/ }).click();
  await expect(page.getByRole("heading", { level: 1, name: /^web-01 on/ })).toBeVisible();
  await expect(page.getByText("taken when it is deployed").first()).toBeVisible();
  await expect(page.getByRole("button", { name: /Download/ })).toHaveCount(0);
  await expect(page.getByRole("link", { name: /Download/ })).toHaveCount(0);
});

test("one that runs where no moment of it is kept blocks, until it is shut down", async ({ page }) => {
  const { url } = stage.console;
  const kvm = (await demoHosts(stage.admin)).find((host) => host.vendor === "kvm")!;
  const { items } = await stage.admin.ok<{ items: { ref: string }[] }>("GET", `/vms?q=web-02&vendor=kvm`);
  const path = `/vms/${kvm.id}/${encodeURIComponent(items[0]!.ref)}`;
  await signIn(page, url, PEOPLE.operator);
  await page.goto(`${url}${path}`);
  await page.getByRole("button", { name: "Deploy to other hosts" }).click();
  await page.getByRole("button", { name: "Add target" }).click();
  await page.getByRole("menuitem", { name: /xen/ }).click();
  await expect(page.getByText("web-02 is running: its disk changes while it is read.")).toBeVisible();
  const submit = page.getByRole("button", { name: "Request approval" });
  await expect(submit).toBeDisabled();
  await stage.admin.ok("POST", `${path}/power`, { action: "stop" });
  await expect(page.getByText("web-02 is running")).toHaveCount(0);
  await expect(submit).toBeEnabled();
});
