/** A Hyper-V host whose disks go by SFTP: two show who they are, one after the other, and each secret is kept for itself. */
import { expect, test } from "@playwright/test";
import { ADMIN } from "./helpers/console.ts";
import { signIn } from "./helpers/sign-in.ts";
import { setStage, type Stage } from "./helpers/stage.ts";
import { type HypervWithSsh, startHypervWithSsh, whyNoHypervSsh } from "./lab/hyperv/sshd.ts";

const reason = whyNoHypervSsh();
test.skip(reason !== null, reason ?? "");

let stage: Stage;
let lab: HypervWithSsh;
test.beforeAll(async () => {
  test.setTimeout(600_000);
  [lab, stage] = await Promise.all([startHypervWithSsh(), setStage()]);
});
test.afterAll(async () => {
  await stage.end();
  await lab[Symbol.asyncDispose]();
});

test("an administrator adds it, confirms certificate and host key, and edits it without typing a secret again", async ({
  page,
}) => {
  const { host, sshd } = lab;
  await signIn(page, stage.console.url, ADMIN);
  await page.goto(`${stage.console.url}/hosts/new`);
  await page.getByRole("radio", { name: /^Hyper-V/ }).click();
  await page.getByLabel("Name", { exact: true }).fill("hv-sftp");
  await page.getByLabel("Host name or address").fill("localhost");
  await page.getByLabel("Port", { exact: true }).fill(String(host.httpsPort));
  await page.getByLabel("User", { exact: true }).fill(host.user);
  await page.getByLabel("Password", { exact: true }).fill(host.password);
  await page.getByRole("radio", { name: /^SFTP/ }).click();
  await expect(page.getByLabel("Address of this console, as the host sees it")).toHaveCount(0);
  await page.getByLabel("Port of SSH").fill(String(sshd.port));
  await page.getByLabel("User of SSH").fill("root");
  await page.getByRole("radio", { name: "Private key" }).click();
  await page.getByLabel("Private key", { exact: true }).last().fill(sshd.clientKey);
  await page.getByRole("button", { name: /test connection/i }).click();
  const shown = page.getByTestId("identity-fingerprint");
  await expect(shown).toHaveText(host.fingerprint, { timeout: 60_000 });
  await page.getByRole("button", { name: "It is the right host" }).click();
  await expect(shown).toHaveText(sshd.hostKey, { timeout: 60_000 });
  await expect(page.getByText("Get-ChildItem $env:ProgramData").first()).toBeVisible();
  await expect(page.getByText(`ssh-keyscan -p ${sshd.port} localhost`).first()).toBeVisible();
  await page.getByRole("button", { name: "It is the right host" }).click();
  await expect(page.getByText(/Hyper-V on Microsoft Windows Server 2022/).first()).toBeVisible({ timeout: 60_000 });
  await page.getByRole("button", { name: /^add host/i }).click();
  await expect(page).toHaveURL(/\/hosts\/[0-9a-f-]{36}/, { timeout: 60_000 });
  await expect(page.getByText(/online/i).first()).toBeVisible({ timeout: 60_000 });

  await page.getByRole("tab", { name: "Connection" }).click();
  await expect(page.getByText(`SFTP as root, port ${sshd.port}`)).toBeVisible();
  await expect(page.getByText(sshd.hostKey)).toBeVisible();
  await expect(page.getByText("password, private key (encrypted)")).toBeVisible();
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Name", { exact: true }).fill("hv-renamed");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("hv-renamed was saved.")).toBeVisible({ timeout: 60_000 });
  await expect(page.getByText("password, private key (encrypted)")).toBeVisible();
  // Another port of SSH is another server: its key is to be confirmed, and nothing stored goes there.
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Port of SSH").fill("1");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText(/cannot be reached by SSH/).first()).toBeVisible({ timeout: 60_000 });
  expect(await page.content()).not.toContain(host.password);
});
