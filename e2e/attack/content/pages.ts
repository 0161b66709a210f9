/** Names that are scripts, shown on every page of the console in a real browser. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { chromium, type Page } from "@playwright/test";
import type { Bench } from "../bench/bench.ts";
import { askForVm, choiceFor } from "../bench/deploys.ts";
import { SCRIPTS } from "./hostile-names.ts";

const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Puts every payload into every text that people can write. Answers the pages that show them. */
async function furnish(bench: Bench): Promise<{ pages: string[]; undo: () => Promise<void> }> {
  const { admin, operator, requester } = bench;
  const demo = { driver: "demo", connection: { transport: "demo", vendor: "kvm" } };
  const hosts: string[] = [];
  const requests: string[] = [];
  const choice = await choiceFor(bench, bench.hosts[0]!.id, "x");
  let image = "";
  for (const script of bench.short ? SCRIPTS.filter((_, n) => n % 2 === 0) : SCRIPTS) {
    await bench.api("POST", "/users", {
      as: admin,
      body: { email: `${randomUUID()}@example.test`, name: script, role: "auditor", password: `x ${randomUUID()}` },
    });
    const host = await bench.api("POST", "/hosts", { as: admin, body: { name: script, target: demo } });
    if (host.status === 201) hosts.push((host.json as { id: string }).id);
    await bench.api("POST", "/tokens", {
      as: admin,
      body: { name: script, role: "auditor", expiresInDays: 1 },
      showsSecret: true,
    });
    const plain = script.replaceAll(/[/\\]/g, "∕");
    const request = await askForVm(bench, requester, [{ ...choice, name: plain.slice(0, 80) }], randomUUID(), script);
    if (request.status === 201) requests.push((request.json as { id: string }).id);
    const id = await bench
      .upload(operator, `${plain.slice(0, 60)}.raw`, Buffer.alloc(4096, 1), { from: "raw", name: plain.slice(0, 100) })
      .catch(() => null);
    if (id === null) continue;
    image = id;
    await bench.api("PATCH", `/images/${id}`, { as: operator, body: { description: script } });
  }
  const [pending] = requests;
  if (pending !== undefined) {
    const { planHash } = await bench.ok<{ planHash: string }>("GET", `/requests/${pending}`, { as: admin });
    await bench.api("POST", `/requests/${pending}/deny`, {
      as: operator,
      body: { planHash, reason: SCRIPTS.join(" ") },
    });
  }
  const pages = [
    "/",
    "/hosts",
    "/images",
    "/requests",
    "/audit",
    "/settings",
    "/inventory",
    "/jobs",
    "/deploy",
    "/hosts/new",
    ...(image === "" ? [] : [`/images/${image}`, `/deploy?image=${image}`]),
    ...requests.slice(0, 2).map((id) => `/requests/${id}`),
    ...hosts.slice(0, 2).map((id) => `/hosts/${id}`),
  ];
  return {
    pages,
    async undo() {
      for (const id of hosts) await bench.api("DELETE", `/hosts/${id}`, { as: admin });
      for (const id of requests) await bench.api("POST", `/requests/${id}/cancel`, { as: admin, body: {} });
    },
  };
}

export async function pages(bench: Bench): Promise<void> {
  const row = bench.tally.row("content", "scripts in names that a page ran");
  const executablePath = BROWSERS.find(existsSync);
  if (executablePath === undefined) {
    row.skip("Chromium is not installed");
    return;
  }
  const { pages: all, undo } = await furnish(bench);
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const context = await browser.newContext();
    context.setDefaultTimeout(120_000);
    const page = await context.newPage();
    const seen = watch(page, bench.url);
    const session = await bench.browser(bench.admin);
    const [name = "", ...value] = (session["cookie"] ?? "").split("=");
    await context.addCookies([{ name, value: value.join("="), url: bench.url, httpOnly: true, sameSite: "Lax" }]);
    for (const path of bench.short ? all.slice(0, 4) : all) {
      seen.length = 0;
      await page.goto(`${bench.url}${path}`);
      await page.getByRole("navigation", { name: "Main" }).waitFor();
      await page.waitForLoadState("load");
      await page.waitForTimeout(1500);
      const found = await page.evaluate(() => ({
        hit: "__hit" in window,
        nodes: document.querySelectorAll(
          '[onerror],[onload],iframe,base,meta[http-equiv="refresh"],a[href^="javascript:"],math,main script,main style,link[href*="evil"]',
        ).length,
        cookie: document.cookie,
      }));
      row.check(
        seen.length === 0 && !found.hit && found.nodes === 0,
        `${path}: ${seen.join(", ")}${found.hit ? " a script ran" : ""}${found.nodes > 0 ? ` ${found.nodes} injected elements` : ""}`,
      );
      row.check(!found.cookie.includes("session"), `${path}: scripts can read the session's cookie`);
    }
    const errors = [
      `/sign-in?error=${encodeURIComponent(SCRIPTS[1]!)}`,
      `/sign-in?next=${encodeURIComponent("javascript:alert(1)")}`,
      `/${encodeURIComponent(SCRIPTS[1]!)}`,
    ];
    for (const path of errors) {
      seen.length = 0;
      await page.goto(`${bench.url}${path}`);
      await page.waitForTimeout(500);
      const nodes = await page.evaluate(() => document.querySelectorAll('[onerror],a[href^="javascript:"]').length);
      row.check(seen.length === 0 && nodes === 0, `${path}: ${seen.join(", ")} ${nodes} injected elements`);
    }
  } finally {
    await browser.close();
    await undo();
  }
}

/** Dialogs and requests to elsewhere, as they happen. */
function watch(page: Page, url: string): string[] {
  const seen: string[] = [];
  page.on("dialog", (dialog) => {
    seen.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    const at = request.url();
    if (!at.startsWith(url) && !/^(data|blob):/.test(at)) seen.push(`a request to ${at}`);
  });
  return seen;
}
