import { expect, test } from "@playwright/test";
import { startConsole, type ConsoleUnderTest } from "./helpers/console.ts";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

let console_: ConsoleUnderTest;
const code = (): string => readFileSync(join(console_.dataDir, "setup-code"), "utf8").trim();
test.beforeAll(async () => {
  console_ = await startConsole({ withAdmin: false });
});
test.afterAll(async () => {
  await console_.stop();
});

test("a newcomer makes the first administrator and explores with simulated hosts", async ({ page }) => {
  // Nobody who merely reaches the port makes an administrator: the page asks for what the server printed.
  await page.goto(console_.url);
  await expect(page).toHaveURL(/\/setup$/);
  await expect(page.getByLabel("Setup code")).toBeVisible();
  expect(statSync(join(console_.dataDir, "setup-code")).mode & 0o777).toBe(0o600);
  const printed = console_.output().match(/Create the first administrator: (\S+)/)?.[1] ?? "";
  expect(printed).toBe(`http://localhost:${console_.port}/setup?code=${code()}`);
  await page.goto(printed);
  await expect(page.getByLabel("Setup code")).toHaveCount(0);
  await page.getByLabel("Name").fill("Ada Admin");
  await page.getByLabel("Email").fill("ada@example.test");
  await page.getByLabel("Password", { exact: true }).fill("correct horse battery");
  await page.getByLabel("Password once more").fill("correct horse battery");
  await page.getByRole("button", { name: /create/i }).click();
  await expect(page.getByRole("button", { name: /simulated hosts/i })).toBeVisible();
  await page.getByRole("button", { name: /simulated hosts/i }).click();
  // Under the name that was printed: the session's cookie belongs to it.
  await page.goto(new URL("/hosts", printed).href);
  for (const vendor of ["VMware", "Hyper-V", "Xen", "KVM", "VirtualBox"]) {
    await expect(page.getByText(vendor, { exact: false }).first()).toBeVisible();
  }
  await expect(page.getByText("Simulated").first()).toBeVisible();
});

test("setup is over once somebody is there", async ({ request }) => {
  const again = await request.post(`${console_.url}/api/v1/setup`, {
    data: { email: "eve@example.test", name: "Eve", password: "another long password", code: "x" },
  });
  expect(again.status()).toBe(409);
  expect(existsSync(join(console_.dataDir, "setup-code"))).toBe(false);
});

test("a second start on the same data folder says who holds it and stops", () => {
  const root = join(import.meta.dirname, "..");
  const second = spawnSync(join(root, "node_modules", "node", "bin", "node"), ["bin/supravisor.ts", "start"], {
    cwd: root,
    encoding: "utf8",
    timeout: 60_000,
    env: { ...process.env, NODE_ENV: "production", PORT: "0", SUPRAVISOR_DATA_DIR: console_.dataDir },
  });
  expect(second.status).toBe(1);
  expect(second.stderr).toContain("data.in-use");
  expect(second.stderr).toMatch(/process \d+|pid \d+/i);
});
