/** The main job on a real KVM host: a VMDK goes in by the browser, a VM boots, and its own words are read from its console. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { startLibvirtd, whyNoLibvirtd, type Libvirtd } from "./lab/libvirt/libvirtd.ts";
import { tinyImage } from "./lab/tiny-image/tiny-image.ts";
import { PEOPLE } from "./helpers/api.ts";
import { ADMIN } from "./helpers/console.ts";
import { convertWithQemu, sameDisk } from "./helpers/image-files.ts";
import { uploadByPage, type ImageAnswer } from "./helpers/image.ts";
import { approveByPage, submitByPage } from "./helpers/request.ts";
import { signIn } from "./helpers/sign-in.ts";
import { setStage, type Stage } from "./helpers/stage.ts";

const reason = whyNoLibvirtd();
test.skip(reason !== null, reason ?? "");
test.describe.configure({ mode: "serial" });

let stage: Stage;
let lab: Libvirtd;
let image: ImageAnswer;
let raw: string;

test.beforeAll(async () => {
  test.setTimeout(600_000);
  raw = tinyImage();
  lab = startLibvirtd();
  stage = await setStage();
});
test.afterAll(async () => {
  await stage.end();
  lab.stop();
});

/** What a guest says on its serial console until `pattern` is seen. `typed` is sent again and again. */
function readConsole(vm: string, pattern: RegExp, typed: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    // virsh wants a terminal; script gives it one.
    const child = spawn(
      "script",
      ["-qfc", `virsh -c 'qemu+unix:///system?socket=${lab.socket}' console ${vm}`, "/dev/null"],
      { stdio: ["pipe", "pipe", "pipe"] },
    );
    let text = "";
    const type = setInterval(() => child.stdin.write(`${typed}\n`), 2000);
    const timer = setTimeout(
      () => end(new Error(`The guest did not say ${pattern}; it said: ${text.slice(-2000)}`)),
      timeoutMs,
    );
    const end = (error: Error | null): void => {
      clearInterval(type);
      clearTimeout(timer);
      child.kill("SIGKILL");
      if (error) reject(error);
      else resolve(text);
    };
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (pattern.test(text)) end(null);
    });
    child.on("error", end);
  });
}

test("an administrator adds the host by its socket", async ({ page }) => {
  await signIn(page, stage.console.url, ADMIN);
  await page.goto(`${stage.console.url}/hosts/new`);
  await page.getByLabel("Name", { exact: true }).fill("kvm-lab");
  await page
    .getByLabel(/socket/i)
    .last()
    .fill(lab.socket);
  await page.getByRole("button", { name: /test connection/i }).click();
  await expect(page.getByText(/QEMU\/KVM by libvirt/).first()).toBeVisible({ timeout: 60_000 });
  await page.getByRole("button", { name: /^add host/i }).click();
  await expect(page).toHaveURL(/\/hosts\/[0-9a-f-]{36}/, { timeout: 60_000 });
  await expect(page.getByText(/online/i).first()).toBeVisible({ timeout: 60_000 });
});

test("a VM started with virsh shows on the open page without a reload", async ({ page }) => {
  lab.virsh("pool-refresh", lab.poolName);
  const xml = join(lab.folder, "live.xml");
  const { writeFileSync } = await import("node:fs");
  writeFileSync(
    xml,
    "<domain type='qemu'><name>live-vm</name><memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os></domain>",
  );
  await signIn(page, stage.console.url, PEOPLE.operator);
  await page.goto(`${stage.console.url}/inventory`);
  lab.virsh("define", xml);
  const row = page.getByRole("row").filter({ hasText: "live-vm" });
  await expect(row).toBeVisible();
  await expect(row).toContainText(/stopped/i);
  lab.virsh("start", "live-vm");
  await expect(row).toContainText(/running/i);
  lab.virsh("destroy", "live-vm");
  await expect(row).toContainText(/stopped/i);
  lab.virsh("undefine", "live-vm");
  await expect(row).toHaveCount(0);
});

test("a streamOptimized VMDK is uploaded, requested, approved, deployed, and boots", async ({ page, browser }) => {
  test.setTimeout(400_000);
  await signIn(page, stage.console.url, PEOPLE.operator);
  const vmdk = convertWithQemu(raw, join(stage.folder, "tiny.vmdk"), "vmdk", ["subformat=streamOptimized"]);
  image = await uploadByPage(page, stage.console.url, stage.admin, vmdk);
  expect(image.latest.error).toBeNull();
  expect(image.latest.disks[0]?.guest.boots).toEqual({ bios: true, uefi: true });

  await page.goto(`${stage.console.url}/deploy?image=${image.id}&version=${image.latest.id}`);
  await page.getByRole("button", { name: "Add target" }).click();
  await page.getByRole("menuitem", { name: /kvm-lab/ }).click();
  const card = page.locator('[data-target="kvm-lab"]');
  await expect(card.getByLabel("VM name")).not.toHaveValue("");
  await card.getByLabel("VM name").fill("tiny-01");
  await card.getByLabel("Memory (MiB)").fill("256");
  await card.getByLabel("Virtual CPUs").fill("1");
  const id = await submitByPage(page);
  await approveByPage(browser, stage.console.url, id);

  const lane = page.locator('[data-lane="kvm-lab"]');
  await expect(lane).toHaveAttribute("data-status", "succeeded", { timeout: 180_000 });
  await expect(lane.locator("[data-receipt=true]")).toContainText("bit for bit");
  const said = await readConsole("tiny-01", /TINY-BOOT-OK|TINY-ECHO hello/, "hello", 180_000);
  expect(said).toMatch(/TINY-/);

  // The disk that the guest booted from was the image's before the guest wrote to it; a second one that is not started stays so.
  await lane.getByRole("link", { name: "Open tiny-01" }).click();
  await expect(page.getByRole("heading", { name: "tiny-01" })).toBeVisible();
});

test("a VM that is not started has a disk that qemu-img finds equal to the image", async () => {
  const hosts = await stage.admin.ok<{ items: { id: string; name: string }[] }>("GET", "/hosts");
  const host = hosts.items.find((each) => each.name === "kvm-lab")!;
  await stage.admin.ok("PATCH", "/settings", { waiveApproval: true });
  const choice = await stage.admin.ok<object>("POST", "/preflight/defaults", {
    imageVersionId: image.latest.id,
    hostId: host.id,
  });
  const { until } = await import("./helpers/api.ts");
  for (const diskFormat of ["qcow2", "raw"]) {
    const made = await stage.admin.ok<{ id: string }>("POST", "/requests", {
      imageVersionId: image.latest.id,
      targets: [{ ...choice, name: `still-${diskFormat}`, diskFormat, memory: 256 * 1024 ** 2, start: false }],
      note: "",
      idempotencyKey: crypto.randomUUID(),
    });
    const ended = await until(
      "request",
      () =>
        stage.admin.ok<{
          status: string;
          targets: { error: unknown; receipt: { equal: boolean; diskRef: string } | null }[];
        }>("GET", `/requests/${made.id}`),
      (r) => ["succeeded", "failed"].includes(r.status),
      120_000,
    );
    expect(ended.targets[0]?.error).toBeNull();
    expect(ended.targets[0]?.receipt?.equal).toBe(true);
    const file = join(lab.poolDir, ended.targets[0]!.receipt!.diskRef.split("/").pop()!);
    expect(sameDisk({ path: raw, format: "raw" }, { path: file, format: diskFormat })).toBe(true);
  }
});
