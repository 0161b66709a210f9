/** Every form of a path, against every part of the server: no two parts may read one differently. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { users } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { ensureSetupCode } from "#lib/services/setup/setup-code.ts";
import { serveEdge, type EdgeServer } from "./testing/edge-server.ts";

let services: TestServices;
let server: EdgeServer;
beforeAll(async () => {
  services = await testServices();
  server = await serveEdge(services);
});
afterAll(async () => {
  await server.close();
  await services.close();
});
beforeEach(() => {
  server.pageCalls.length = 0;
});

const FORGED = {
  "X-Supravisor-Address": "203.0.113.66",
  "X-Forwarded-For": "203.0.113.66",
  "X-Forwarded-Host": "evil.example",
  "X-Forwarded-Proto": "https",
  "X-Forwarded-Port": "666",
  Forwarded: "for=203.0.113.66;host=evil.example",
  "X-Real-IP": "203.0.113.66",
  "Content-Security-Policy": "script-src 'nonce-evil'",
  "X-Middleware-Subrequest": "middleware:middleware",
  "X-Middleware-Rewrite": "/evil",
  "X-Nextjs-Data": "1",
  "X-Invoke-Path": "/evil",
  "X-Matched-Path": "/evil",
  "X-Original-URL": "/evil",
  "X-HTTP-Method-Override": "DELETE",
  "Next-Url": "/evil",
  "Next-Action": "evil",
};

/** Each part of the server, by a path that it answers to. */
const PARTS = [
  "/api/v1/hosts",
  "/api/v1/health",
  "/api/v1/setup",
  "/api/v1/uploads",
  "/api/v1/transfers/00000000-0000-4000-8000-000000000000/disk.raw",
  "/api/v1/docs",
  "/api/auth/session",
  "/api/auth/callback/credentials",
  "/sign-in",
  "/_next/static/x.js",
] as const;

const TWISTS: Record<string, (path: string) => string> = {
  "/./ in front": (path) => `/.${path}`,
  "/%2e/ in front": (path) => `/%2e${path}`,
  "/%252e/ in front": (path) => `/%252e${path}`,
  "/x/../ in front": (path) => `/x/..${path}`,
  "/_next/../ in front": (path) => `/_next/..${path}`,
  "/%2e%2e/ in front": (path) => `/x/%2E%2e${path}`,
  "dots inside": (path) => path.replace(/^\/[^/]+/, "$&/x/.."),
  "a dot before the last segment": (path) => path.replace(/\/([^/]*)$/, "/./$1"),
  "a dot at the end": (path) => `${path}/.`,
  "public/../ in front": (path) => `/api/v1/health/..${path}`,
  "two slashes in front": (path) => `/${path}`,
  "two slashes inside": (path) => path.replace(/\/([^/]*)$/, "//$1"),
  backslash: (path) => path.replace(/\/([^/]*)$/, "/x\\$1"),
  "encoded backslash": (path) => path.replace(/\/([^/]*)$/, "/x%5c$1"),
  "encoded slash": (path) => path.replace(/\/([^/]*)$/, "/x%2f$1"),
  "twice encoded dots": (path) => `/x/%252e%252e${path}`,
  "matrix dots": (path) => `/x/..;a=b${path}`,
  semicolon: (path) => `${path};x`,
  NUL: (path) => `${path}%00`,
  "another authority": (path) => `http://evil.example${path}`,
};

describe("a twisted path", () => {
  it.each(Object.entries(TWISTS))("is refused in words, for every part and method: %s", async (_, twist) => {
    for (const part of PARTS) {
      for (const method of ["GET", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD"]) {
        const path = twist(part);
        const text = await server.raw(
          `${method} ${path} HTTP/1.1\r\nHost: console.example\r\nX-Supravisor-Address: 203.0.113.1\r\nConnection: close\r\n\r\n`,
        );
        expect(text.split("\r\n")[0], `${method} ${path}`).toBe("HTTP/1.1 400 Bad Request");
        if (method !== "HEAD") expect(text, `${method} ${path}`).toContain('"request.bad-path"');
      }
    }
    expect(server.pageCalls).toEqual([]);
  });

  it("never skips the sign-in: a dot, a slash or capitals more find no open door", async () => {
    const forms = [
      "/api/v1/hosts",
      "/api/v1/hosts/",
      "/api/v1/hosts.json",
      "/api/v1/hosts/.hidden",
      "/api/v1/hosts/x.css",
      "/api/v1/users?x=.js",
      "/api/v1/.",
      "/api/v1/health.x/../hosts",
      "/%61pi/v1/hosts",
      "/api/v1/%68osts",
      "/api/v1/docs/x.js",
      "/api/v1/setup.js",
      "/api/v1/login/",
      "/API/V1/hosts",
      "/Api/v1/hosts",
      "/api/V1/hosts",
    ];
    for (const form of forms) {
      for (const method of ["GET", "HEAD", "OPTIONS", "POST"]) {
        const answer = await server.ask(method, form, { connection: "close" });
        // A part that no API path leads to is a page's, which holds nothing and knows no such page.
        const page = answer.text === "page" || (method === "HEAD" && answer.headers["content-type"] === "text/plain");
        if (page) expect(/^\/api\/v1(?:\/|$)/.test(form), form).toBe(false);
        else expect([400, 401], `${method} ${form}: ${answer.status} ${answer.text}`).toContain(answer.status);
      }
    }
  });

  it("is plain again for who comes after: routing, headers and pages see the same canonical one", async () => {
    const answer = await server.ask("GET", "/%61pi/%61uth/session?callbackUrl=%2F", FORGED);
    expect(answer.text).toBe("page");
    expect(server.pageCalls.at(-1)).toMatchObject({ url: "/api/auth/session?callbackUrl=%2F", client: "127.0.0.1" });
    expect((await server.ask("GET", "/api/v1/%68ealth")).status).toBe(200);
    expect(
      (
        await server.raw(
          `GET http://127.0.0.1:${server.port}/api/v1/health HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: close\r\n\r\n`,
        )
      ).split("\r\n")[0],
    ).toBe("HTTP/1.1 200 OK");
  });
});

describe("headers that mean something inside", () => {
  it("are dropped from every request, and set from what the server itself knows", async () => {
    for (const path of ["/api/auth/session", "/sign-in", "/", "/_next/static/x.js", "/api/other"]) {
      await server.ask("GET", path, { ...FORGED, host: "console.example:3000" });
      const call = server.pageCalls.at(-1);
      expect(call?.client, path).toBe("127.0.0.1");
      expect(call?.headers, path).toMatchObject({
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-host": "console.example:3000",
        "x-forwarded-proto": "http",
        "x-forwarded-port": "3000",
      });
      expect(call?.headers["content-security-policy"], path).toMatch(/'nonce-[^']{20,}'/);
      const all = JSON.stringify([call?.headers, call?.rawHeaders]);
      expect(all, path).not.toMatch(/evil|203\.0\.113\.66|666|x-supravisor|x-middleware|x-invoke|DELETE/i);
    }
  });

  it.each(["a b", "evil.example/path", "user@evil.example", "evil.example:x", "", "a,b", "%65vil"])(
    "need a Host that is one name, not %j",
    async (host) => {
      const text = await server.raw(`GET /sign-in HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      expect(text).toMatch(/^HTTP\/1\.1 400 /);
      expect(text).toContain("request.bad-host");
      expect(await server.raw("GET /sign-in HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n")).toMatch(
        /^HTTP\/1\.1 400 /,
      );
    },
  );

  it("come from a trusted proxy only, and then as they are", async () => {
    const behind = await serveEdge(services, { env: { SUPRAVISOR_TRUSTED_PROXIES: "127.0.0.1" } });
    try {
      await behind.ask("GET", "/sign-in", { ...FORGED, Forwarded: "for=203.0.113.66", host: "inside:3000" });
      expect(behind.pageCalls.at(-1)).toMatchObject({
        client: "203.0.113.66",
        headers: {
          "x-forwarded-for": "203.0.113.66",
          "x-forwarded-host": "evil.example",
          "x-forwarded-proto": "https",
        },
      });
      await behind.ask("GET", "/sign-in", {
        "x-forwarded-host": "a b",
        "x-forwarded-proto": "gopher",
        host: "inside:3000",
      });
      expect(behind.pageCalls.at(-1)?.headers).toMatchObject({
        "x-forwarded-host": "inside:3000",
        "x-forwarded-proto": "http",
      });
    } finally {
      await behind.close();
    }
  });

  it("do not matter to a console that knows its own address, which then answers to no other name", async () => {
    const own = await serveEdge(services, { env: { SUPRAVISOR_URL: "https://console.example" } });
    try {
      for (const host of [
        "console.example",
        "CONSOLE.example",
        `127.0.0.1:${own.port}`,
        "localhost:3000",
        "[::1]:3000",
      ]) {
        expect((await own.ask("GET", "/sign-in", { ...FORGED, host })).status, host).toBe(200);
        expect(own.pageCalls.at(-1)?.headers).toMatchObject({
          "x-forwarded-host": "console.example",
          "x-forwarded-proto": "https",
        });
      }
      for (const host of ["evil.example", "console.example.evil.example", "xconsole.example"]) {
        const answer = await own.ask("GET", "/sign-in", { host });
        expect([answer.status, answer.text], host).toEqual([400, expect.stringContaining("request.bad-host")]);
      }
    } finally {
      await own.close();
    }
  });

  it("include upgrades, which nobody but the router would have looked at", async () => {
    const text = await server.raw(
      "GET /x/../sign-in HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n",
    );
    expect(text).toContain("request.bad-path");
  });
});

describe("the first administrator", () => {
  const ask = (name: string, code: string) =>
    server.ask(
      "POST",
      "/api/v1/setup",
      { "content-type": "application/json" },
      JSON.stringify({ email: `${name}@example.test`, name, password: "correct horse battery", code }),
    );

  it("is made by who has the code, and only once when many ask at the same time", async () => {
    const code = await ensureSetupCode(services.dataDir);
    for (const wrong of [
      "",
      "x",
      code.slice(0, -1),
      `${code} `,
      code.toLowerCase() === code ? code.toUpperCase() : code.toLowerCase(),
    ]) {
      const answer = await ask("eve", wrong);
      expect([answer.status, answer.text]).toEqual([403, expect.stringContaining("setup.wrong-code")]);
      expect(answer.text).not.toContain(code);
    }
    const answers = await Promise.all(Array.from({ length: 8 }, (_, at) => ask(`p${at}`, code)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(7).fill(409)]);
    expect(await services.db.select({ role: users.role }).from(users)).toEqual([{ role: "administrator" }]);
    // Used: neither the code nor another one opens it again.
    expect((await ask("late", code)).status).toBe(409);
  });
});
