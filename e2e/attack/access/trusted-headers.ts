/** Headers that only a proxy, Next or the console itself would set, sent by strangers. */
import { ask } from "../bench/ask.ts";
import { CANARY, type Bench } from "../bench/bench.ts";
import { formTicket, signInByBrowser } from "../bench/sessions.ts";

const ADDRESS_HEADERS = [
  "x-forwarded-for",
  "forwarded",
  "x-real-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "true-client-ip",
  "cf-connecting-ip",
  "fastly-client-ip",
  "x-supravisor-address",
  "x-original-forwarded-for",
  "via",
];
const EVIL = "evil.example";
const HOST_HEADERS = [
  "x-forwarded-host",
  "x-forwarded-server",
  "x-host",
  "x-original-host",
  "forwarded",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-forwarded-prefix",
];

export async function forgedAddresses(bench: Bench): Promise<void> {
  const row = bench.tally.row("access", "headers that claim another address");
  const ways = {
    "/api/v1/login": (headers: Record<string, string>, from: string) =>
      ask(bench.url, "POST", "/api/v1/login", { from, headers, body: { email: "forged@example.test", password: "x" } }),
    "/api/auth": (headers: Record<string, string>, from: string) =>
      signInByBrowser(bench.url, { email: "forged@example.test", password: "x" }, from, { headers }),
  };
  const marks: { mark: string; what: string }[] = [];
  for (const [way, go] of Object.entries(ways))
    for (const [number, header] of ADDRESS_HEADERS.entries()) {
      const mark = `198.51.100.${number + (way === "/api/auth" ? 100 : 1)}`;
      marks.push({ mark, what: `${header} on ${way}` });
      await go({ [header]: header === "forwarded" ? `for=${mark}` : mark }, bench.address());
    }
  const trail = await bench.ok<unknown>("GET", "/audit?limit=500", { as: bench.admin });
  const text = JSON.stringify(trail);
  for (const { mark, what } of marks) row.check(!text.includes(mark), `${what}: the trail says ${mark}`);
}

export async function forgedHosts(bench: Bench): Promise<void> {
  const row = bench.tally.row("access", "headers that claim another host");
  const paths = [
    "/api/auth/signin",
    "/api/auth/providers",
    "/api/auth/signout",
    "/api/auth/session",
    "/api/auth/csrf",
    "/sign-in",
    "/",
    "/api/v1/health",
    "/api/v1/openapi.json",
  ];
  for (const header of HOST_HEADERS)
    for (const path of paths) {
      const value = header === "forwarded" ? `host=${EVIL};proto=https` : header.endsWith("proto") ? EVIL : EVIL;
      const answer = await ask(bench.url, "GET", path, { headers: { [header]: value }, from: bench.address() });
      const out = `${answer.headers.location ?? ""} ${answer.text} ${(answer.headers["set-cookie"] ?? []).join(" ")}`;
      row.check(
        !decodeURIComponent(out.replaceAll(/%(?![0-9a-f]{2})/gi, "%25")).includes(EVIL),
        `${header} on ${path}: the answer leads to ${EVIL}`,
      );
    }
  const redirects = bench.tally.row("access", "redirects after signing in or out");
  const away = [
    `https://${EVIL}/`,
    `//${EVIL}/`,
    `/\\${EVIL}/`,
    `https:${EVIL}`,
    `javascript:alert(1)//${EVIL}`,
    `/%09/${EVIL}`,
    `\t//${EVIL}`,
    `http://${new URL(bench.url).host}@${EVIL}/`,
    `http://${new URL(bench.url).hostname}.${EVIL}/`,
  ];
  for (const callbackUrl of away) {
    const from = bench.address();
    const ticket = await formTicket(bench.url, from);
    const out = await ask(bench.url, "POST", "/api/auth/signout", {
      from,
      raw: new URLSearchParams({ csrfToken: ticket.token, callbackUrl }).toString(),
      headers: { cookie: ticket.cookie, "content-type": "application/x-www-form-urlencoded" },
    });
    const location = URL.parse(out.headers.location ?? "/", bench.url);
    redirects.check(
      location?.host !== EVIL && location?.hostname.endsWith(EVIL) !== true,
      `${callbackUrl}: ${out.headers.location ?? ""}`,
    );
    const page = await ask(bench.url, "GET", `/sign-in?next=${encodeURIComponent(callbackUrl)}`, { from });
    redirects.check(
      !/(href|action|content)="[^"]*evil\.example/.test(page.text),
      `/sign-in?next=${callbackUrl}: the page leads there`,
    );
  }
}

const NEXT_HEADERS: Readonly<Record<string, readonly string[]>> = {
  "x-middleware-subrequest": [
    "middleware",
    "src/middleware",
    "middleware:middleware:middleware:middleware:middleware",
    "proxy:proxy:proxy:proxy:proxy",
  ],
  "x-middleware-subrequest-id": ["x"],
  "x-middleware-rewrite": ["/api/v1/users", "http://127.0.0.1:1/"],
  "x-middleware-override-headers": ["authorization,cookie"],
  "x-middleware-next": ["1"],
  "x-middleware-prefetch": ["1"],
  "x-middleware-invoke": ["1"],
  "x-matched-path": ["/api/v1/users", "/settings", "/_error"],
  "x-invoke-path": ["/api/v1/users", "/settings"],
  "x-invoke-status": ["200", "500"],
  "x-invoke-output": ["/api/v1/users", "/settings"],
  "x-invoke-query": ["%7B%22x%22%3A1%7D"],
  "x-invoke-error": ["%7B%22message%22%3A%22x%22%7D"],
  "x-now-route-matches": ["1=users"],
  "x-vercel-id": ["x"],
  "x-prerender-revalidate": ["x"],
  "x-nextjs-data": ["1"],
  "x-nextjs-html-request-id": ["x"],
  "x-original-url": ["/api/v1/users"],
  "x-rewrite-url": ["/api/v1/users"],
  "x-forwarded-uri": ["/api/v1/users"],
  rsc: ["1"],
  "next-router-state-tree": ["%5B%22%22%5D", "x".repeat(5000)],
  "next-router-prefetch": ["1"],
  "next-action": ["0".repeat(42)],
  "content-security-policy": ["default-src *"],
  "x-supravisor-role": ["administrator"],
  "x-supravisor-user": ["admin@example.test"],
  "x-person": ["admin"],
  "x-internal": ["1"],
};

/** Strangers get the same pages as without the header, and never data. */
export async function internalHeaders(bench: Bench): Promise<void> {
  const row = bench.tally.row("access", "internal headers of Next and of the console by nobody");
  const paths = ["/", "/settings", "/images", "/api/v1/users", "/api/v1/hosts", "/api/auth/session"];
  for (const path of paths) {
    const plain = await ask(bench.url, "GET", path);
    for (const [header, candidates] of Object.entries(NEXT_HEADERS))
      for (const value of candidates) {
        const method = header === "next-action" ? "POST" : "GET";
        const answer = await ask(bench.url, method, path, { headers: { [header]: value } });
        const policy = String(answer.headers["content-security-policy"] ?? "");
        const api = path.startsWith("/api/v1/");
        row.check(
          !answer.text.includes(CANARY) &&
            (!api || answer.status === plain.status || answer.status >= 400) &&
            !policy.includes("default-src *") &&
            (answer.status < 500 || answer.status === plain.status),
          `${header}: ${value.slice(0, 40)} on ${path}: ${answer.status} ${answer.text.slice(0, 80)}`,
        );
      }
  }
}
