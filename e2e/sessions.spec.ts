import { createServer, request as httpRequest, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { expect, test, type Page } from "@playwright/test";
import { PEOPLE } from "./helpers/api.ts";
import { ADMIN } from "./helpers/console.ts";
import { signIn } from "./helpers/sign-in.ts";
import { setStage, type Stage } from "./helpers/stage.ts";

let stage: Stage;
test.beforeAll(async () => {
  stage = await setStage({ env: { SUPRAVISOR_TRUSTED_PROXIES: "127.0.0.2/32" } });
});
test.afterAll(async () => {
  await stage.end();
});

/** Counts what a page asks the API for. */
function countRequests(page: Page): { count: number } {
  const seen = { count: 0 };
  page.on("request", (request) => {
    if (request.url().includes("/api/v1/")) seen.count += 1;
  });
  return seen;
}

async function userId(email: string): Promise<string> {
  const { items } = await stage.admin.ok<{ items: { id: string; email: string }[] }>("GET", "/users");
  return items.find((user) => user.email === email)?.id ?? "";
}

test("a session that ends while a page is open leads to the sign-in at once, without a storm of requests", async ({
  page,
}) => {
  await signIn(page, stage.console.url, PEOPLE.operator);
  await page.goto(`${stage.console.url}/hosts`);
  await expect(page.getByRole("status", { name: /^Live/ })).toBeVisible();
  await page.context().clearCookies();
  const seen = countRequests(page);
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Images" }).click();
  await expect(page).toHaveURL(/\/sign-in\?next=%2F(images|hosts)&ended=1$/);
  await expect(page.getByText("Your session has ended")).toBeVisible();
  await expect(page.getByRole("status", { name: /^Live/ })).toHaveCount(0);
  await page.waitForTimeout(5000);
  // What the page that was being opened asked for, and what the sign-in page needs.
  expect(seen.count).toBeLessThan(8);
  const settled = seen.count;
  await page.waitForTimeout(5000);
  expect(seen.count - settled).toBeLessThan(2);
});

test("an idle tab learns that its session was ended elsewhere", async ({ page }) => {
  await signIn(page, stage.console.url, PEOPLE.operator);
  await page.goto(`${stage.console.url}/hosts`);
  await expect(page.getByRole("status", { name: /^Live/ })).toBeVisible();
  const seen = countRequests(page);
  await stage.admin.ok("DELETE", `/users/${await userId(PEOPLE.operator.email)}/sessions`);
  await expect(page).toHaveURL(/\/sign-in\?next=%2Fhosts&ended=1$/);
  await page.waitForTimeout(5000);
  expect(seen.count).toBeLessThan(5);
  // And comes back to where it was.
  await page.getByLabel("Email").fill(PEOPLE.operator.email);
  await page.getByLabel("Password").fill(PEOPLE.operator.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page).toHaveURL(/\/hosts$/);
});

test("signing out ends the session for every copy of its cookie", async ({ page, request }) => {
  await signIn(page, stage.console.url, PEOPLE.requester);
  const cookies = await page.context().cookies();
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
  const session = () => request.get(`${stage.console.url}/api/v1/session`, { headers: { cookie } });
  expect((await session()).status()).toBe(200);
  await page.getByRole("button", { name: /: account$/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await expect(page.getByRole("button", { name: "Sign in", exact: true })).toBeVisible();
  expect((await session()).status()).toBe(401);
  // next-auth gives no new cookie for it either.
  const renewed = await request.get(`${stage.console.url}/api/auth/session`, { headers: { cookie } });
  expect(await renewed.json()).toEqual({});
  expect(renewed.headers()["set-cookie"] ?? "").not.toMatch(/supravisor\.session=[^;]/);
});

test("people see their sessions and end others; administrators do it for everybody", async ({ page, browser }) => {
  const other = await browser.newPage();
  await signIn(other, stage.console.url, PEOPLE.auditor);
  await signIn(page, stage.console.url, PEOPLE.auditor);
  await page.goto(`${stage.console.url}/settings?tab=sessions`);
  await expect(page.getByText("This browser")).toHaveCount(1);
  await page.getByRole("button", { name: "Sign out everywhere else" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Sign out everywhere else" }).click();
  await expect(other).toHaveURL(/\/sign-in\?.*ended=1/);
  await other.close();

  const admin = await browser.newPage();
  await signIn(admin, stage.console.url, ADMIN);
  await admin.goto(`${stage.console.url}/settings?tab=users`);
  await admin.getByRole("button", { name: `Actions on ${PEOPLE.auditor.name}` }).click();
  await admin.getByRole("menuitem", { name: "Sessions and tokens" }).click();
  await admin.getByRole("button", { name: "Sign out everywhere" }).click();
  await admin.getByRole("alertdialog").getByRole("button", { name: "Sign out everywhere" }).click();
  await expect(admin.getByText("Signed in nowhere.")).toBeVisible();
  await expect(page).toHaveURL(/\/sign-in\?.*ended=1/);
  await admin.close();
});

test("changing one's own password keeps this browser signed in", async ({ page }) => {
  await signIn(page, stage.console.url, PEOPLE.requester);
  await page.getByRole("button", { name: /: account$/ }).click();
  await page.getByRole("menuitem", { name: "Change password" }).click();
  await page.getByLabel("Current password").fill(PEOPLE.requester.password);
  await page.getByLabel("New password").fill("Password2026!");
  await page.getByRole("button", { name: "Change password" }).click();
  await expect(page.getByText("easy to guess")).toBeVisible();
  await page.getByLabel("New password").fill("wintry ploughs hum");
  await page.getByRole("button", { name: "Change password" }).click();
  await expect(page.getByText("Your password was changed.")).toBeVisible();
  await page.waitForTimeout(6000);
  await page.goto(`${stage.console.url}/hosts`);
  await expect(page.getByRole("status", { name: /^Live/ })).toBeVisible();
});

/** Signs in as a form of next-auth does. Answers the error that it was given, null for success. */
async function formSignIn(
  base: string,
  email: string,
  password: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; error: string | null; retryAfter: string | null }> {
  const first = await fetch(`${base}/api/auth/csrf`, { headers });
  const { csrfToken } = (await first.json()) as { csrfToken: string };
  const cookie = first.headers
    .getSetCookie()
    .map((each) => each.split(";", 1)[0])
    .join("; ");
  const answer = await fetch(`${base}/api/auth/callback/credentials`, {
    method: "POST",
    headers: { ...headers, cookie, "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ email, password, csrfToken, json: "true" }),
  });
  const { url } = (await answer.json()) as { url: string };
  return {
    status: answer.status,
    error: new URL(url).searchParams.get("error"),
    retryAfter: answer.headers.get("retry-after"),
  };
}

test("no form of the path reaches next-auth with an address that the client made up", async () => {
  const { port, url } = stage.console;
  const forms = [
    "/./api/auth",
    "/%2e/api/auth",
    "/x/../api/auth",
    "/_next/../api/auth",
    "/api/x/../auth",
    "/%252e/api/auth",
    "//api/auth",
    "/api/auth/.",
    "/api%2fauth",
    "/API/auth",
  ];
  for (const form of forms) {
    const status = await new Promise<number>((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () =>
        socket.write(
          `GET ${form}/csrf HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX-Supravisor-Address: 203.0.113.1\r\nConnection: close\r\n\r\n`,
        ),
      );
      let text = "";
      socket.on("data", (chunk) => (text += chunk.toString()));
      socket.on("end", () => {
        expect(text, form).not.toContain("csrfToken");
        resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]));
      });
      socket.on("error", reject);
    });
    expect(status, form).toBe(form === "/API/auth" ? 404 : 400);
  }
  await formSignIn(url, "nobody@example.test", "x", {
    "x-supravisor-address": "203.0.113.2",
    "x-forwarded-for": "203.0.113.3",
  });
  const { items } = await stage.admin.ok<{ items: { action: string; address: string | null }[] }>(
    "GET",
    "/audit?limit=5",
  );
  expect(items.filter(({ action }) => action === "session.started").map(({ address }) => address)[0]).toBe("127.0.0.1");
});

/** A reverse proxy as small as one can be: it says for whom it asks, as nginx does. */
async function startProxy(target: number, from: string): Promise<{ server: Server; url: string }> {
  const server = createServer((incoming, outgoing) => {
    const said = incoming.headers["x-test-client"] ?? "127.0.0.1";
    const before = incoming.headers["x-forwarded-for"];
    const headers = {
      ...incoming.headers,
      "x-forwarded-for": before === undefined ? String(said) : `${String(before)}, ${String(said)}`,
    };
    const onward = httpRequest(
      {
        host: "127.0.0.1",
        port: target,
        localAddress: from,
        method: incoming.method,
        path: incoming.url,
        headers,
        agent: false,
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on("error", () => outgoing.writeHead(502).end());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test("behind a reverse proxy ten wrong passwords lock nobody out, and the trail has everybody's own address", async () => {
  const trusted = await startProxy(stage.console.port, "127.0.0.2");
  const unknown = await startProxy(stage.console.port, "127.0.0.3");
  try {
    for (const { url } of [trusted, unknown]) {
      // Known from here: the one whom the others' mistakes must not touch.
      expect(await formSignIn(url, ADMIN.email, ADMIN.password, { "x-test-client": "198.51.100.1" })).toMatchObject({
        error: null,
      });
      for (let at = 0; at < 10; at += 1)
        await formSignIn(url, `user${at}@example.test`, "not it at all", {
          "x-test-client": "198.51.100.2",
          "x-forwarded-for": "192.0.2.9",
        });
      for (let at = 0; at < 10; at += 1)
        await formSignIn(url, PEOPLE.auditor.email, "not it at all", { "x-test-client": "198.51.100.2" });
      expect(await formSignIn(url, ADMIN.email, ADMIN.password, { "x-test-client": "198.51.100.1" })).toMatchObject({
        error: null,
      });
    }
    const slowed = await formSignIn(trusted.url, PEOPLE.auditor.email, PEOPLE.auditor.password, {
      "x-test-client": "198.51.100.2",
    });
    if (slowed.error !== null) {
      expect(slowed).toMatchObject({ status: 429, error: `too-many-${slowed.retryAfter}` });
      expect(Number(slowed.retryAfter)).toBeLessThanOrEqual(60);
    }
    const { items } = await stage.admin.ok<{ items: { address: string | null }[] }>("GET", "/audit?limit=100");
    const addresses = new Set(items.map(({ address }) => address));
    expect([...addresses]).toEqual(expect.arrayContaining(["198.51.100.1", "198.51.100.2", "127.0.0.3"]));
    expect(addresses.has("192.0.2.9")).toBe(false);
    expect(stage.console.output().match(/is not believed/g)?.length).toBe(1);
  } finally {
    for (const { server } of [trusted, unknown]) {
      server.closeAllConnections();
      server.close();
    }
  }
});

test("what a sign-in address holds does not reach the log as it is", async ({ request }) => {
  const before = stage.console.output().length;
  await request.get(
    `${stage.console.url}/api/auth/signin?callbackUrl=javascript:%1b[31mRED%0a{"level":50,"msg":"FORGED"}`,
  );
  await request.get(`${stage.console.url}/api/auth/callback/nothing%1b?error=%1b[2J%c2%9b`);
  await expect.poll(() => stage.console.output().length).toBeGreaterThan(before);
  const lines = stage.console
    .output()
    .split("\n")
    .filter((line) => line.startsWith("{") || line.includes("RED"));
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) {
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    expect((JSON.parse(line) as { msg?: string }).msg).not.toBe("FORGED");
  }
});
