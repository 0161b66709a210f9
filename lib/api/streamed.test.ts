/** An answer that breaks off is cut; one that ends was whole. */
import { once } from "node:events";
import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { createServer, request as httpRequest, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { pino } from "pino";
import { afterEach, expect, it, vi } from "vitest";
import { fileBytes } from "./file-bytes.ts";
import { streamed } from "./streamed.ts";
import type { ApiEnv } from "./types.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(pieces: () => AsyncGenerator<Uint8Array>, length?: number) {
  const log = pino({ level: "silent" });
  const logged = vi.spyOn(log, "error");
  const release = vi.fn(async () => undefined);
  const app = new Hono<ApiEnv>();
  app.get("/", (c) =>
    c.body(streamed(c, log, { pieces: pieces(), release }), 200, {
      "content-type": "text/plain",
      ...(length === undefined ? {} : { "content-length": String(length) }),
    }),
  );
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = createServer((request, response) => void listener(request, response)).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, logged, release };
}

function get(url: string): Promise<{ complete: boolean; text: string }> {
  return new Promise((resolve, reject) => {
    const call = httpRequest(url, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("error", () => undefined).on("close", () => resolve({ complete: response.complete, text }));
    });
    // Cut before its headers went out: that is no complete answer either.
    call.on("error", (error: NodeJS.ErrnoException) =>
      error.code === "ECONNRESET" ? resolve({ complete: false, text: "" }) : reject(error),
    );
    call.end();
  });
}
const bytes = (text: string) => new TextEncoder().encode(text);

it("ends in order when all was sent", async () => {
  const { url, release } = await serve(async function* () {
    yield bytes("one ");
    yield bytes("two");
  });
  expect(await get(url)).toEqual({ complete: true, text: "one two" });
  expect(release).toHaveBeenCalledTimes(1);
});

it.each([0, 1, 5])("is cut after %s pieces, and the error is in the log alone", async (sent) => {
  const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const { url, logged, release } = await serve(async function* () {
    for (let n = 0; n < sent; n += 1) yield bytes(`piece ${n};`);
    throw new Error("params: a secret");
  });
  const answer = await get(url);
  expect(answer.complete).toBe(false);
  expect(answer.text).not.toMatch(/error|secret/i);
  expect(logged).toHaveBeenCalledTimes(1);
  expect(release).toHaveBeenCalledTimes(1);
  expect(printed).not.toHaveBeenCalled();
  printed.mockRestore();
});

it("lets go of its source when the client goes away", async () => {
  const { url, release } = await serve(async function* () {
    for (;;) yield new Uint8Array(1024 * 1024);
  });
  const stop = new AbortController();
  const response = await fetch(url, { signal: stop.signal });
  expect(response.status).toBe(200);
  stop.abort();
  await vi.waitUntil(() => release.mock.calls.length === 1, { timeout: 20_000 });
});

it("of a file that gets shorter meanwhile breaks off", async () => {
  const folder = await mkdtemp(join(tmpdir(), "supravisor-file-"));
  try {
    const path = join(folder, "x");
    const size = 3 * 1024 * 1024;
    await writeFile(path, Buffer.alloc(size, 7));
    await using handle = await open(path, "r");
    const whole: Uint8Array[] = [];
    for await (const piece of fileBytes(handle, 10, size - 1)) whole.push(piece);
    expect(Buffer.concat(whole)).toHaveLength(size - 10);
    const { url } = await serve(async function* () {
      for await (const piece of fileBytes(handle, 0, size - 1)) {
        yield piece;
        await truncate(path, 1024 * 1024);
      }
    }, size);
    expect((await get(url)).complete).toBe(false);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
