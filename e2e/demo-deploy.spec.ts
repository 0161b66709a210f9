import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { convertWithQemu, guestDisk, sameDisk } from "./helpers/image-files.ts";
import { uploadByPage, type ImageAnswer } from "./helpers/image.ts";
import { PEOPLE, until } from "./helpers/api.ts";
import { signIn } from "./helpers/sign-in.ts";
import { demoHosts, setStage, type Stage } from "./helpers/stage.ts";

let stage: Stage;
let raw: string;
let image: ImageAnswer;

test.describe.configure({ mode: "serial" });
test.beforeAll(async () => {
  stage = await setStage({ demo: true });
  raw = guestDisk(stage.folder, "golden");
});
test.afterAll(async () => {
  await stage.end();
});

interface RequestAnswer {
  id: string;
  number: number;
  status: string;
  planHash: string;
  targets: {
    hostName: string;
    status: string;
    receipt: { equal: boolean | null; diskRef: string; format: string } | null;
  }[];
}

test("an operator drags an image in and the page tells what it is", async ({ page }) => {
  await signIn(page, stage.console.url, PEOPLE.operator);
  const vmdk = convertWithQemu(raw, join(stage.folder, "golden.vmdk"), "vmdk", ["subformat=streamOptimized"]);
  image = await uploadByPage(page, stage.console.url, stage.admin, vmdk);
  expect(image.latest.error).toBeNull();
  await page.goto(`${stage.console.url}/images/${image.id}`);
  await expect(page.getByText("VMDK (streamOptimized)").first()).toBeVisible();
  await expect(page.getByText("Debian GNU/Linux 12 (bookworm)").first()).toBeVisible();
  await expect(page.getByText("UEFI").first()).toBeVisible();
  await expect(page.getByRole("img", { name: /GPT with 2 partitions/ })).toBeVisible();
});

test("an auditor may not take a disk out of the library", async ({ page }) => {
  await signIn(page, stage.console.url, PEOPLE.auditor);
  await page.goto(`${stage.console.url}/images/${image.id}`);
  await expect(page.getByRole("button", { name: "Download as" })).toBeDisabled();
});

test("an operator takes a disk along in another format", async ({ page }) => {
  await signIn(page, stage.console.url, PEOPLE.operator);
  await page.goto(`${stage.console.url}/images/${image.id}`);
  await page.getByRole("button", { name: "Download as" }).click();
  const downloading = page.waitForEvent("download");
  await page.getByRole("menuitem", { name: "VHDX" }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe("golden.vhdx");
  const path = join(stage.folder, "downloaded.vhdx");
  await download.saveAs(path);
  expect(sameDisk({ path: raw, format: "raw" }, { path, format: "vhdx" })).toBe(true);
});

test("one request puts it on hosts of all five vendors, and each receipt is equal", async ({ page, browser }) => {
  const hosts = await demoHosts(stage.admin);
  await signIn(page, stage.console.url, PEOPLE.requester);
  await page.goto(`${stage.console.url}/deploy?image=${image.id}&version=${image.latest.id}`);
  for (const host of hosts) {
    await page.getByRole("button", { name: "Add target" }).click();
    await page.getByRole("menuitem", { name: new RegExp(host.name) }).click();
    await expect(page.locator(`[data-target="${host.name}"]`).getByLabel("VM name")).not.toHaveValue("");
  }
  const submit = page.getByRole("button", { name: "Request approval" });
  await expect(submit).toBeEnabled();
  await submit.click();
  await expect(page).toHaveURL(/request=/);
  const id = new URL(page.url()).searchParams.get("request") ?? "";
  // Nobody approves their own request, and a requester approves none.
  await expect(page.getByRole("button", { name: "Approve" })).toHaveAttribute("aria-disabled", "true");

  const other = await browser.newPage();
  await signIn(other, stage.console.url, PEOPLE.operator);
  await other.goto(`${stage.console.url}/requests/${id}`);
  await other.getByRole("button", { name: "Approve" }).click();
  await other.getByRole("button", { name: "Approve and run" }).click();

  // The requester's page follows without a reload.
  for (const host of hosts) {
    const lane = page.locator(`[data-lane="${host.name}"]`);
    await expect(lane).toHaveAttribute("data-status", "succeeded", { timeout: 120_000 });
    await expect(lane.locator("[data-receipt=true]")).toContainText("bit for bit");
  }
  const request = await stage.admin.ok<RequestAnswer>("GET", `/requests/${id}`);
  expect(request.status).toBe("succeeded");

  // A foreign eye on the bytes that lie in the simulated hosts' pools.
  const drivers: Record<string, string> = {
    raw: "raw",
    qcow2: "qcow2",
    vmdk: "vmdk",
    vhdx: "vhdx",
    vdi: "vdi",
    vhd: "vpc",
  };
  const files = readdirSync(join(stage.console.dataDir, "demo"), { recursive: true, encoding: "utf8" });
  for (const target of request.targets) {
    const name = target.receipt?.diskRef.split(/[\\/]/).pop() ?? "?";
    const file = files.find((path) => path.endsWith(name));
    expect(file, `${target.hostName}: ${name}`).toBeDefined();
    const format = drivers[target.receipt?.format ?? ""] ?? "?";
    expect(
      sameDisk({ path: raw, format: "raw" }, { path: join(stage.console.dataDir, "demo", file!), format }),
      `${target.hostName} by qemu-img`,
    ).toBe(true);
  }
  await other.close();
});

test("deny with a reason, and no approval after it", async () => {
  const hosts = await demoHosts(stage.admin);
  const host = hosts[0]!;
  const choice = await stage.admin.ok<{ name: string }>("POST", "/preflight/defaults", {
    imageVersionId: image.latest.id,
    hostId: host.id,
  });
  const made = await stage.admin.ok<RequestAnswer>("POST", "/requests", {
    imageVersionId: image.latest.id,
    targets: [{ ...choice, name: "denied-vm" }],
    note: "",
    idempotencyKey: crypto.randomUUID(),
  });
  const own = await stage.admin.call<{ error: { code: string } }>("POST", `/requests/${made.id}/approve`, {
    planHash: made.planHash,
  });
  expect([403, 409]).toContain(own.status);
  const { signInByApi } = await import("./helpers/api.ts");
  const operator = await signInByApi(stage.console.url, PEOPLE.operator.email, PEOPLE.operator.password);
  await operator.ok("POST", `/requests/${made.id}/deny`, { planHash: made.planHash, reason: "wrong network" });
  const late = await operator.call<{ error: { code: string } }>("POST", `/requests/${made.id}/approve`, {
    planHash: made.planHash,
  });
  expect(late.status).toBe(409);
  const seen = await until(
    "denied",
    () => operator.ok<RequestAnswer & { decision: { reason: string } }>("GET", `/requests/${made.id}`),
    (r) => r.status === "denied",
  );
  expect(seen.decision.reason).toBe("wrong network");
});
