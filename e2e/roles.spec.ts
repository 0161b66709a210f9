import { expect, test } from "@playwright/test";
import { PEOPLE, signInByApi } from "./helpers/api.ts";
import { signIn } from "./helpers/sign-in.ts";
import { demoHosts, setStage, type Stage } from "./helpers/stage.ts";

let stage: Stage;
test.beforeAll(async () => {
  stage = await setStage({ demo: true });
});
test.afterAll(async () => {
  await stage.end();
});

test("an auditor sees everything and can change nothing, also not by the API", async ({ page }) => {
  const [host] = await demoHosts(stage.admin);
  const auditor = await signInByApi(stage.console.url, PEOPLE.auditor.email, PEOPLE.auditor.password);
  for (const path of [
    "/hosts",
    "/vms",
    "/images",
    "/requests",
    "/jobs",
    "/audit",
    "/users",
    "/settings",
    "/pools",
    "/networks",
  ]) {
    expect((await auditor.call("GET", path)).status, `GET ${path}`).toBe(200);
  }
  const vms = await auditor.ok<{ items: { hostId: string; ref: string }[] }>("GET", `/vms?host=${host!.id}`);
  const vm = vms.items[0]!;
  const id = crypto.randomUUID();
  const refused: [string, string, unknown][] = [
    ["POST", "/hosts/demo", {}],
    ["POST", "/hosts", { name: "x", target: { driver: "kvm", connection: { transport: "unix", socket: "/x" } } }],
    ["PATCH", `/hosts/${host!.id}`, { name: "mine" }],
    ["DELETE", `/hosts/${host!.id}`, undefined],
    ["POST", `/vms/${vm.hostId}/${encodeURIComponent(vm.ref)}/power`, { action: "stop" }],
    ["POST", "/images/import-url", { url: "https://example.test/x", sha256: "0".repeat(64) }],
    [
      "POST",
      "/requests",
      {
        imageVersionId: id,
        targets: [
          {
            hostId: host!.id,
            name: "x",
            cpus: 1,
            memory: 2 ** 30,
            firmware: "bios",
            diskFormat: "raw",
            bus: "ide",
            poolRef: "p",
            nic: null,
            start: false,
          },
        ],
        idempotencyKey: id,
      },
    ],
    ["POST", `/requests/${id}/approve`, { planHash: "0".repeat(64) }],
    ["POST", "/users", { email: "e@example.test", name: "Eve", role: "administrator", password: "another long one" }],
    ["PATCH", "/settings", { waiveApproval: true }],
  ];
  for (const [method, path, body] of refused) {
    expect((await auditor.call(method, path, body)).status, `${method} ${path}`).toBe(403);
  }
  const hosts = await stage.admin.ok<{ items: unknown[] }>("GET", "/hosts");
  expect(hosts.items).toHaveLength(5);

  await signIn(page, stage.console.url, PEOPLE.auditor);
  await page.goto(`${stage.console.url}/audit`);
  await expect(page.getByText(/refused/i).first()).toBeVisible();
  const csv = await page.request.get(`${stage.console.url}/api/v1/audit/export?format=csv`);
  expect(csv.headers()["content-type"]).toContain("text/csv");
  expect((await csv.text()).split("\n").length).toBeGreaterThan(refused.length);
  const verified = await auditor.ok<{ ok: boolean; entries: number }>("GET", "/audit/verify");
  expect(verified.ok).toBe(true);
});

test("cookies from elsewhere change nothing", async ({ page }) => {
  await signIn(page, stage.console.url, PEOPLE.operator);
  const forged = await page.request.post(`${stage.console.url}/api/v1/tokens`, {
    headers: { origin: "https://evil.example", "sec-fetch-site": "cross-site" },
    data: { name: "stolen", role: "operator", expiresInDays: 30 },
  });
  expect(forged.status()).toBe(403);
});

test("pages carry security headers", async ({ request }) => {
  const answer = await request.get(`${stage.console.url}/sign-in`);
  const headers = answer.headers();
  expect(headers["content-security-policy"]).toMatch(/script-src[^;]*'nonce-/);
  expect(headers["x-content-type-options"]).toBe("nosniff");
  expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
});

test("a wrong password is told in words, and guessing is slowed", async ({ page }) => {
  await page.goto(`${stage.console.url}/sign-in`);
  await page.getByLabel("Email").fill("nobody@example.test");
  await page.getByLabel("Password").fill("wrong wrong wrong");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("alert").filter({ hasText: /password|email/i })).toBeVisible();
  let last = 0;
  for (let i = 0; i < 14; i += 1) {
    const answer = await fetch(`${stage.console.url}/api/v1/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ email: "nobody@example.test", password: `guess ${i} guess` }),
    });
    last = answer.status;
  }
  expect(last).toBe(429);
});
