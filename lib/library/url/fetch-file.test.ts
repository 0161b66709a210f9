import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fetchFile, type FetchInput } from "./fetch-file.ts";
import { guardedAgent } from "./guarded-agent.ts";
import { openUrl } from "./open-url.ts";
import { isPrivateAddress } from "./private-address.ts";

let folder: string;
const open: Server[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fetch-test-"));
});
afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await rm(folder, { recursive: true, force: true });
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const bytes = randomBytes(500_000);
const sha256 = createHash("sha256").update(bytes).digest("hex");
const never = new AbortController().signal;

function get(url: string, more: Partial<FetchInput> = {}) {
  return fetchFile(
    { url, sha256, folder, fileName: "disk.img", allowPrivate: true, free: 2 ** 40, ...more },
    never,
    () => undefined,
    1,
  );
}

describe("fetchFile", () => {
  it("stores a file whose checksum is right", async () => {
    const url = await serve((_request, response) => response.end(bytes));
    expect(await get(`${url}/disk.img`)).toEqual({ size: bytes.length });
    expect(await readFile(join(folder, "disk.img"))).toEqual(bytes);
    expect(await readdir(folder)).toEqual(["disk.img"]);
  });

  it("never gives a wrong file its name", async () => {
    const url = await serve((_request, response) => response.end(Buffer.from("not what was asked for")));
    await expect(get(url)).rejects.toMatchObject({ code: "import.checksum-mismatch", details: { expected: sha256 } });
    expect(await readdir(folder)).not.toContain("disk.img");
  });

  it("goes on by Range where the connection broke off", async () => {
    const asked: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      asked.push(request.headers.range);
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      if (from > 0) {
        expect(request.headers["if-range"]).toBe('"v1"');
        response.writeHead(206, { etag: '"v1"', "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` });
      } else response.writeHead(200, { etag: '"v1"', "content-length": bytes.length });
      const end = Math.min(bytes.length, from + 200_000);
      response.write(bytes.subarray(from, end), () =>
        end === bytes.length ? response.end() : setTimeout(() => response.destroy(), 20),
      );
    });
    expect(await get(url)).toEqual({ size: bytes.length });
    expect(await readFile(join(folder, "disk.img"))).toEqual(bytes);
    expect(asked.length).toBeGreaterThanOrEqual(3);
    expect(asked.slice(1).every((range) => range !== undefined)).toBe(true);
  });

  it("begins anew when the file changed in between", async () => {
    let calls = 0;
    const url = await serve((_request, response) => {
      calls++;
      if (calls === 1) {
        response.writeHead(200, { etag: '"old"', "content-length": 100_000 });
        response.write(Buffer.alloc(50_000, 1), () => setTimeout(() => response.destroy(), 20));
      } else response.writeHead(200, { etag: '"new"', "content-length": bytes.length }).end(bytes);
    });
    expect(await get(url)).toEqual({ size: bytes.length });
    expect(await readFile(join(folder, "disk.img"))).toEqual(bytes);
  });

  it("gives up on a server that only breaks off, and says so", async () => {
    const url = await serve((_request, response) => response.destroy());
    await expect(get(url)).rejects.toMatchObject({ code: "import.interrupted", kind: "unavailable" });
  });

  it("tries a busy server again and takes a plain no for an answer", async () => {
    let calls = 0;
    const busy = await serve((_request, response) =>
      ++calls < 3 ? response.writeHead(503).end() : response.end(bytes),
    );
    expect(await get(busy)).toEqual({ size: bytes.length });
    let refused = 0;
    const gone = await serve((_request, response) => {
      refused++;
      response.writeHead(404).end();
    });
    await expect(get(gone)).rejects.toMatchObject({ code: "import.refused", details: { status: 404 } });
    expect(refused).toBe(1);
  });

  it("does not fill the disk, whatever the server says of the length", async () => {
    const told = await serve((_request, response) =>
      response.writeHead(200, { "content-length": bytes.length }).end(bytes),
    );
    await expect(get(told, { free: 1000 })).rejects.toMatchObject({ code: "library.full" });
    const folder2 = await mkdtemp(join(tmpdir(), "fetch-test-"));
    const untold = await serve((_request, response) => {
      response.write(bytes.subarray(0, 1000));
      response.end(bytes.subarray(1000));
    });
    await expect(get(untold, { folder: folder2, free: 256 * 1024 * 1024 + 100_000 })).rejects.toMatchObject({
      code: "library.full",
    });
    await rm(folder2, { recursive: true });
  });

  it("follows a redirect, but not for ever and not out of http", async () => {
    const url = await serve((request, response) => {
      if (request.url === "/loop") response.writeHead(302, { location: "/loop" }).end();
      else if (request.url === "/file") response.writeHead(302, { location: "file:///etc/passwd" }).end();
      else if (request.url === "/there") response.end(bytes);
      else response.writeHead(302, { location: "/there" }).end();
    });
    expect(await get(`${url}/`)).toEqual({ size: bytes.length });
    await rm(join(folder, "disk.img"));
    await expect(get(`${url}/loop`)).rejects.toMatchObject({ code: "import.refused" });
    await rm(join(folder, ".disk.img.part"));
    await expect(get(`${url}/file`)).rejects.toMatchObject({ code: "import.bad-url" });
  });

  it("connects to no private address: literal, by name, or by a redirect", async () => {
    let connections = 0;
    const url = await serve((_request, response) => {
      connections++;
      response.end(bytes);
    });
    const { port } = new URL(url);
    const forms = [
      url,
      `http://localhost:${port}/`,
      `http://[::1]:${port}/`,
      `http://2130706433:${port}/`,
      `http://0x7f.1:${port}/`,
      `http://[::ffff:127.0.0.1]:${port}/`,
      `http://0:${port}/`,
    ];
    for (const form of forms) {
      await expect(get(form, { allowPrivate: false }), form).rejects.toMatchObject({
        code: "import.private-address",
        kind: "forbidden",
      });
      await rm(join(folder, ".disk.img.part"));
    }
    expect(connections).toBe(0);
  });

  it("lets no redirect lead from a public address to a private one", async () => {
    const reached: string[] = [];
    const url = await serve((request, response) => {
      reached.push(request.headers.host ?? "");
      if (request.headers.host?.startsWith("127.0.0.1"))
        response.writeHead(302, { location: `http://127.0.0.2:${port}/` }).end();
      else response.end(bytes);
    });
    const { port } = new URL(url);
    // 127.0.0.1 stands for the public server, 127.0.0.2 for what only this machine can reach.
    const agent = guardedAgent(false, (address) => address !== "127.0.0.1");
    try {
      await expect(openUrl(agent, url, null, never)).rejects.toMatchObject({ code: "import.private-address" });
    } finally {
      await agent.destroy();
    }
    expect(reached).toEqual([`127.0.0.1:${port}`]);
  });

  it("stops when it is told to", async () => {
    const stop = new AbortController();
    const url = await serve((_request, response) => {
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, 1000));
      setTimeout(() => stop.abort(new Error("enough")), 20);
    });
    const input = { url, sha256, folder, fileName: "disk.img", allowPrivate: true, free: 2 ** 40 };
    await expect(fetchFile(input, stop.signal, () => undefined)).rejects.toThrow("enough");
  });
});

describe("isPrivateAddress", () => {
  it.each([
    "127.0.0.1",
    "10.1.2.3",
    "172.31.255.255",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00::1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "ff02::1",
    "nonsense",
    "",
  ])("%s is", (address) => {
    expect(isPrivateAddress(address)).toBe(true);
  });
  it.each(["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"])("%s is not", (address) => {
    expect(isPrivateAddress(address)).toBe(false);
  });
});
