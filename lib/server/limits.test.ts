/** What never ends is ended: bodies that do not come, senders that nobody knows, and connections without number. */
import { connect, type Socket } from "node:net";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { bearer } from "#lib/api/testing-server.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { appendBody } from "#lib/library/uploads/append-body.ts";
import { mkdtemp, rm, writeFile, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { printable } from "./log.ts";
import { sendConsoleToLog } from "./console-log.ts";
import { serveEdge, type EdgeServer, type EdgeServerOptions } from "./testing/edge-server.ts";

let services: TestServices;
let server: EdgeServer | null = null;
const sockets: Socket[] = [];
beforeAll(async () => {
  services = await testServices();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.close();
  server = null;
});
afterAll(async () => services.close());
const serve = async (options: EdgeServerOptions = {}): Promise<EdgeServer> =>
  (server = await serveEdge(services, options));

/** Sends this and stays; `text` grows, `ended` becomes true. */
function hold(bytes: string): { text: string; ended: boolean; sent: number } {
  const seen = { text: "", ended: false, sent: 0 };
  const socket = connect(server?.port ?? 0, "127.0.0.1", () => socket.write(bytes));
  sockets.push(socket);
  socket.on("data", (chunk) => (seen.text += chunk.toString()));
  socket.on("error", () => undefined);
  socket.on("close", () => (seen.ended = true));
  return seen;
}
const eventually = { timeout: 20_000, interval: 100 };

describe("a body", () => {
  it("of any part but an upload is cut when it does not come, also where nobody reads it", async () => {
    await serve({ bodyMs: 500 });
    const half = (target: string, method = "POST") =>
      hold(
        `${method} ${target} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"email":`,
      );
    const held = [
      half("/api/v1/login"),
      half("/api/v1/setup"),
      half("/api/v1/health", "GET"),
      half("/api/auth/callback/credentials"),
      half("/sign-in"),
      half("/api/v1/uploads"),
      half("/x/../sign-in"),
    ];
    await expect.poll(() => held.map(({ ended }) => ended), eventually).toEqual(held.map(() => true));
    expect(held[0]?.text).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("of an upload by nobody is refused before it is read, and the connection ends", async () => {
    await serve();
    const held = hold(
      "PATCH /api/v1/uploads/00000000-0000-4000-8000-000000000000 HTTP/1.1\r\nHost: a\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: 1000000000\r\n\r\n",
    );
    await expect.poll(() => held.ended, eventually).toBe(true);
    expect(held.text).toMatch(/^HTTP\/1\.1 401 /);
    expect(held.text).toContain("auth.required");
  });

  it("that comes in time is taken, however late its last byte may be", async () => {
    await serve({ bodyMs: 5000 });
    const { authorization } = await bearer(services, "administrator");
    const body = JSON.stringify({ waiveApproval: true });
    const held = hold(
      `PATCH /api/v1/settings HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body.slice(0, 5)}`,
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    sockets.at(-1)?.write(body.slice(5));
    await expect.poll(() => held.ended, eventually).toBe(true);
    expect(held.text).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("of a page is a form of known, small size", async () => {
    const { raw, pageCalls } = await serve();
    for (const header of ["Content-Length: 70000", "Transfer-Encoding: chunked"]) {
      const text = await raw(
        `POST /api/auth/callback/credentials HTTP/1.1\r\nHost: a\r\n${header}\r\nConnection: close\r\n\r\n`,
      );
      expect(text, header).toMatch(/^HTTP\/1\.1 400 /);
      expect(text, header).toContain("request.too-large");
    }
    expect(pageCalls).toEqual([]);
  });

  it("of an upload has no limit in time, but one of silence and one of slowness", async () => {
    await serve();
    const folder = await mkdtemp(join(tmpdir(), "supravisor-slow-"));
    try {
      const path = join(folder, "upload");
      const pace = { silenceMs: 2000, windowMs: 3000, bytesPerWindow: 100 };
      const feed = async (bytes: number, everyMs: number, count: number) => {
        await writeFile(path, "");
        const body = new PassThrough();
        const done = appendBody(body, path, 0, 1_000_000, new AbortController().signal, pace).then(
          (length) => `${length}`,
          (error: { code?: string }) => error.code ?? String(error),
        );
        for (let at = 0; at < count && !body.destroyed; at += 1) {
          body.write(Buffer.alloc(bytes, 1));
          await new Promise((resolve) => setTimeout(resolve, everyMs));
        }
        if (!body.destroyed && count > 0) body.end();
        return done;
      };
      // Several windows long, and fast enough.
      expect(await feed(200, 50, 100)).toBe("20000");
      expect(await feed(1, 50, 100)).toBe("upload.too-slow");
      expect(await feed(1, 10_000, 0)).toBe("upload.interrupted");
      // What came is kept, and it goes on from there.
      expect((await readFile(path)).length).toBe(0);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("connections", () => {
  it("are limited in all; when some end, others come in", async () => {
    const { ask } = await serve({ connections: { total: 12, perAddress: 12 } });
    const held = Array.from({ length: 30 }, () => hold(""));
    await expect.poll(() => held.filter(({ ended }) => ended).length, eventually).toBe(18);
    for (const socket of sockets.splice(0)) socket.destroy();
    await expect
      .poll(
        () =>
          ask("GET", "/api/v1/health").then(
            ({ status }) => status,
            () => 0,
          ),
        eventually,
      )
      .toBe(200);
  });
});

describe("the log", () => {
  it("holds no control character that a request brought, whatever prints it", () => {
    const lines: string[] = [];
    const log = pino({ level: "trace", base: null }, printable({ write: (line) => void lines.push(line) }));
    const hostile = 'x\u001b[31m\n{"level":50,"msg":"FORGED"}\r\u0000\u007f\u009b31m\u202e\u2028\ufeff';
    const restore = sendConsoleToLog(log);
    try {
      console.error("[next-auth][error]", hostile, { url: hostile });
      console.warn(hostile);
      console.log("%s", hostile);
      console.error(new Error(hostile));
    } finally {
      restore();
    }
    log.error({ err: new Error(hostile), path: hostile, [hostile]: 1 }, hostile);
    expect(lines).toHaveLength(5);
    for (const line of lines) {
      expect(line.endsWith("\n")).toBe(true);
      expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]/);
      expect(JSON.parse(line)).toMatchObject({ level: expect.any(Number) });
    }
    // Nothing is lost: it is escaped, not cut.
    expect((JSON.parse(lines[4] ?? "") as { msg: string }).msg).toBe(hostile);
  });
});
