/** Hosts of other vendors through the browser: added with their certificates confirmed, and deployed to from one screen. */
import { join } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { HypervSimulator, whyNoHyperv } from "./lab/hyperv/simulator.ts";
import { startVsphere, type VsphereLab } from "./lab/vmware/lab.ts";
import { whyNoVcsim } from "./lab/vmware/vcsim.ts";
import { whyNoXapi, XapiSimulator } from "./lab/xapi/simulator.ts";
import { PEOPLE } from "./helpers/api.ts";
import { ADMIN } from "./helpers/console.ts";
import { convertWithQemu, guestDisk } from "./helpers/image-files.ts";
import { uploadByPage } from "./helpers/image.ts";
import { approveByPage, submitByPage } from "./helpers/request.ts";
import { signIn } from "./helpers/sign-in.ts";
import { setStage, type Stage } from "./helpers/stage.ts";

const reason = whyNoVcsim() ?? whyNoHyperv() ?? whyNoXapi();
test.skip(reason !== null, reason ?? "");
test.describe.configure({ mode: "serial" });

let stage: Stage;
let vsphere: VsphereLab;
let hyperv: HypervSimulator;
let xen: XapiSimulator;

test.beforeAll(async () => {
  test.setTimeout(300_000);
  vsphere = await startVsphere({ kind: "vpx", vms: 3 });
  hyperv = await HypervSimulator.start();
  xen = await XapiSimulator.start();
  stage = await setStage();
});
test.afterAll(async () => {
  await stage.end();
  await vsphere[Symbol.asyncDispose]();
  await hyperv[Symbol.asyncDispose]();
  xen.stop();
});

interface Address {
  readonly kind: string | RegExp;
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** SHA-256 of the certificate that the host shows. */
  readonly fingerprint: string;
}

async function addHost(page: Page, address: Address): Promise<void> {
  await page.goto(`${stage.console.url}/hosts/new`);
  await page.getByRole("radio", { name: address.kind }).click();
  await page.getByLabel("Name", { exact: true }).fill(address.name);
  await page.getByLabel("Host name or address").fill(address.host);
  await page.getByLabel("Port").fill(String(address.port));
  await page.getByLabel("User", { exact: true }).fill(address.user);
  await page.getByLabel("Password", { exact: true }).fill(address.password);
  await page.getByRole("button", { name: /^add host/i }).click();
  await expect(page.getByTestId("identity-fingerprint")).toHaveText(address.fingerprint, { timeout: 60_000 });
  await page.getByRole("button", { name: "It is the right host" }).click();
  await expect(page).toHaveURL(/\/hosts\/[0-9a-f-]{36}/, { timeout: 60_000 });
  await expect(page.getByText(/online/i).first()).toBeVisible({ timeout: 60_000 });
  // What was typed as a secret is nowhere on the page again.
  expect(await page.content()).not.toContain(address.password);
}

test("an administrator adds a vCenter, a XenServer pool and a Hyper-V host, and confirms who answers", async ({
  page,
}) => {
  await signIn(page, stage.console.url, ADMIN);
  const { connection, secret, proxy } = vsphere;
  await addHost(page, {
    kind: /^VMware/,
    name: "vcenter-lab",
    ...{ host: connection.host, port: connection.port, user: connection.user, password: secret.password },
    fingerprint: proxy.certificate().sha256,
  });
  const [member] = xen.members;
  if (member === undefined) throw new Error("a pool without members");
  await addHost(page, {
    kind: /^XenServer/,
    name: "xen-lab",
    ...{ host: member.address, port: xen.port, user: xen.user, password: xen.password },
    fingerprint: member.fingerprint,
  });
  await addHost(page, {
    kind: /^Hyper-V/,
    name: "hyperv-lab",
    ...{ host: "127.0.0.1", port: hyperv.httpsPort, user: hyperv.user, password: hyperv.password },
    fingerprint: hyperv.fingerprint,
  });
});

test("one image goes to three vendors from one screen, each with its own devices, and each receipt is equal", async ({
  page,
  browser,
}) => {
  test.setTimeout(400_000);
  await signIn(page, stage.console.url, PEOPLE.operator);
  const raw = guestDisk(stage.folder, "golden");
  const vmdk = convertWithQemu(raw, join(stage.folder, "golden.vmdk"), "vmdk", ["subformat=streamOptimized"]);
  const image = await uploadByPage(page, stage.console.url, stage.admin, vmdk);
  expect(image.latest.error).toBeNull();

  await page.goto(`${stage.console.url}/deploy?image=${image.id}&version=${image.latest.id}`);
  const names = ["vcenter-lab", "xen-lab", "hyperv-lab"];
  for (const name of names) {
    await page.getByRole("button", { name: "Add target" }).click();
    await page.getByRole("menuitem", { name: new RegExp(name) }).click();
  }
  const card = (name: string) => page.locator(`[data-target="${name}"]`);
  for (const name of names) {
    await expect(card(name).getByLabel("VM name")).not.toHaveValue("", { timeout: 30_000 });
    await card(name).getByLabel("Memory (MiB)").fill("256");
  }
  const offered = async (name: string, label: string): Promise<string[]> => {
    await card(name).getByLabel(label).click();
    const options = await page.getByRole("option").allInnerTexts();
    await page.keyboard.press("Escape");
    return options.map((option) => option.trim());
  };
  expect(await offered("hyperv-lab", "Firmware")).toEqual(["Generation 1 (BIOS)", "Generation 2 (UEFI)"]);
  expect(await offered("vcenter-lab", "Disk bus")).toContain("PVSCSI");
  expect(await offered("vcenter-lab", "Network card")).toContain("VMXNET3");
  expect(await offered("xen-lab", "Disk format")).toEqual(["Raw", "VHD"]);

  const id = await submitByPage(page);
  await approveByPage(browser, stage.console.url, id);
  for (const name of names) {
    const lane = page.locator(`[data-lane="${name}"]`);
    await expect(lane).toHaveAttribute("data-status", "succeeded", { timeout: 180_000 });
    await expect(lane.locator("[data-receipt=true]")).toContainText("bit for bit");
    // By the name that people know, not by the host's identifier.
    if (name === "xen-lab") await expect(lane).toContainText("to pool NFS storage");
  }
});
