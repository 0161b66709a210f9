/** Every page: nothing serious by axe in light and dark, nothing wider than a phone, and a picture of each to look at. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import { expect, test, type Page } from "@playwright/test";
import { ADMIN } from "./helpers/console.ts";
import { convertWithQemu, guestDisk } from "./helpers/image-files.ts";
import { uploadByPage } from "./helpers/image.ts";
import { signIn } from "./helpers/sign-in.ts";
import { demoHosts, setStage, type Stage } from "./helpers/stage.ts";

const pictures = join(import.meta.dirname, ".out", "screenshots");
let stage: Stage;
let paths: { name: string; path: string }[];

test.describe.configure({ mode: "serial" });
test.beforeAll(async ({ browser }) => {
  mkdirSync(pictures, { recursive: true });
  stage = await setStage({ demo: true });
  const hosts = await demoHosts(stage.admin);
  const page = await browser.newPage();
  await signIn(page, stage.console.url, ADMIN);
  const image = await uploadByPage(
    page,
    stage.console.url,
    stage.admin,
    convertWithQemu(guestDisk(stage.folder, "debian-12"), join(stage.folder, "debian-12.qcow2"), "qcow2"),
  );
  await stage.admin.ok("PATCH", "/settings", { waiveApproval: true });
  const targets = [];
  for (const host of hosts.slice(0, 2))
    targets.push(
      await stage.admin.ok("POST", "/preflight/defaults", { imageVersionId: image.latest.id, hostId: host.id }),
    );
  const request = await stage.admin.ok<{ id: string }>("POST", "/requests", {
    imageVersionId: image.latest.id,
    targets,
    note: "",
    idempotencyKey: crypto.randomUUID(),
  });
  const jobs = await stage.admin.ok<{ items: { id: string }[] }>("GET", "/jobs?state=all");
  const vms = await stage.admin.ok<{ items: { hostId: string; ref: string }[] }>("GET", "/vms");
  await page.close();
  const host = hosts[0]!;
  const vm = vms.items[0]!;
  const running = await stage.admin.ok<typeof vms>("GET", "/vms?q=web-01&vendor=vmware");
  const linked = await stage.admin.ok<{ image: { id: string }; versionId: string }>("POST", "/images/link", {
    hostId: running.items[0]!.hostId,
    vmRef: running.items[0]!.ref,
  });
  const choice = await stage.admin.ok("POST", "/preflight/defaults", {
    imageVersionId: linked.versionId,
    hostId: hosts[1]!.id,
  });
  const copied = await stage.admin.ok<{ id: string }>("POST", "/requests", {
    imageVersionId: linked.versionId,
    targets: [choice],
    note: "",
    idempotencyKey: crypto.randomUUID(),
  });
  paths = [
    { name: "overview", path: "/" },
    { name: "inventory", path: "/inventory" },
    { name: "images", path: "/images" },
    { name: "image", path: `/images/${image.id}` },
    { name: "image-linked", path: `/images/${linked.image.id}` },
    { name: "request-linked", path: `/requests/${copied.id}` },
    { name: "deploy", path: `/deploy?image=${image.id}&version=${image.latest.id}` },
    { name: "deploy-lanes", path: `/deploy?request=${request.id}` },
    { name: "requests", path: "/requests" },
    { name: "request", path: `/requests/${request.id}` },
    { name: "jobs", path: "/jobs" },
    { name: "job", path: `/jobs/${jobs.items[0]!.id}` },
    { name: "hosts", path: "/hosts" },
    { name: "host", path: `/hosts/${host.id}` },
    { name: "host-new", path: "/hosts/new" },
    { name: "vm", path: `/vms/${vm.hostId}/${encodeURIComponent(vm.ref)}` },
    { name: "audit", path: "/audit" },
    { name: "settings", path: "/settings" },
    { name: "settings-users", path: "/settings?tab=users" },
    { name: "settings-sessions", path: "/settings?tab=sessions" },
    { name: "settings-tokens", path: "/settings?tab=tokens" },
    { name: "settings-about", path: "/settings?tab=about" },
  ];
});
test.afterAll(async () => {
  await stage.end();
});

async function settle(page: Page): Promise<void> {
  await expect(page.locator("h1").first()).toBeVisible();
  await page.waitForLoadState("load");
  // The event stream keeps the network busy for ever: wait for words instead.
  await expect(page.getByText(/^(Reading|Asking)\b.*…$/)).toHaveCount(0);
}

/** The deploy page with cards on it says more than an empty one. */
async function fill(page: Page, name: string): Promise<void> {
  if (name !== "deploy") return;
  for (const index of [0, 1]) {
    await page.getByRole("button", { name: "Add target" }).click();
    await page.getByRole("menuitem").nth(index).click();
    await expect(page.getByLabel("VM name").nth(index)).not.toHaveValue("");
  }
  // Enabled: the findings of the last change are there.
  await expect(page.getByRole("button", { name: "Deploy now" })).toBeEnabled();
}

for (const scheme of ["light", "dark"] as const) {
  test(`every page in ${scheme}`, async ({ browser }) => {
    test.setTimeout(300_000);
    const context = await browser.newContext({ colorScheme: scheme, viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(`${page.url()}: ${error.message}`));
    page.on("console", (message) => {
      // A machine that makes bridges for its VMs, as this one does, interrupts what Chromium loads; it asks again.
      if (message.type() === "error" && !message.text().includes("ERR_NETWORK_CHANGED"))
        problems.push(`${page.url()}: ${message.text()}`);
    });
    await page.goto(`${stage.console.url}/sign-in`);
    await expect(page.getByLabel("Email")).toBeVisible();
    await page.screenshot({ path: join(pictures, `sign-in-${scheme}.png`) });
    await signIn(page, stage.console.url, ADMIN);
    for (const { name, path } of paths) {
      await page.goto(`${stage.console.url}${path}`);
      await settle(page);
      await fill(page, name);
      await page.screenshot({ path: join(pictures, `${name}-${scheme}.png`), fullPage: true });
      const { violations } = await new AxeBuilder({ page })
        .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"])
        .analyze();
      for (const violation of violations.filter((v) => v.impact === "serious" || v.impact === "critical")) {
        problems.push(
          `${name} (${scheme}): ${violation.id}: ${violation.nodes
            .map((node) => node.target.join(" "))
            .slice(0, 3)
            .join(" | ")}`,
        );
      }
    }
    expect(problems).toEqual([]);
    await context.close();
  });
}

test("every page on a phone", async ({ browser }) => {
  test.setTimeout(300_000);
  const context = await browser.newContext({ viewport: { width: 390, height: 844 } });
  const page = await context.newPage();
  await page.goto(`${stage.console.url}/sign-in`);
  await page.getByLabel("Email").fill(ADMIN.email);
  await page.getByLabel("Password").fill(ADMIN.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page).not.toHaveURL(/sign-in/);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  const wide: string[] = [];
  for (const { name, path } of paths) {
    await page.goto(`${stage.console.url}${path}`);
    await settle(page);
    await fill(page, name);
    await page.screenshot({ path: join(pictures, `${name}-narrow.png`), fullPage: true });
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    if (overflow > 1) wide.push(`${name}: ${overflow} px too wide`);
  }
  expect(wide).toEqual([]);
  await context.close();
});
