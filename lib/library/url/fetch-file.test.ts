import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { errorToJson } from "#lib/errors.ts";
import { addressRule } from "./address-rule.ts";
import { fetchFile, type FetchInput } from "./fetch-file.ts";
import { GuardedAgent } from "./guarded-agent.ts";

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

async function serve(listener: RequestListener, address = "127.0.0.1"): Promise<string> {
  const server = createServer(listener);
  server.listen(0, address);
  await once(server, "listening");
  open.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const bytes = randomBytes(500_000);
const sha256 = createHash("sha256").update(bytes).digest("hex");
const never = new AbortController().signal;

/** Tests have no public address to serve from: 127.0.0.1 stands for one. */
const publicHere = () => new GuardedAgent((address) => (address === "127.0.0.1" ? "public" : "never"));

function get(url: string, more: Partial<FetchInput> = {}, agent = publicHere()) {
  return fetchFile(
    { url, sha256, folder, fileName: "disk.img", networks: [], free: 2 ** 40, ...more },
    never,
    () => undefined,
    1,
    agent,
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

  it("gives up on a server that sends nothing but interim answers", async () => {
    const url = await serve((_request, response) => {
      const { socket } = response;
      const more = (): void => {
        while (socket?.destroyed === false && socket.write("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100)));
      };
      socket?.on("drain", more);
      more();
    });
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

  it("tells the sum of what came from a public address, and none of what lies in a listed network", async () => {
    const url = await serve((_request, response) => response.end(bytes));
    const wrong = { sha256: "0".repeat(64) };
    await expect(get(url, wrong)).rejects.toMatchObject({
      code: "import.checksum-mismatch",
      details: { expected: "0".repeat(64), actual: sha256 },
    });
    await rm(join(folder, ".disk.img.part"));
    const error = await get(url, wrong, new GuardedAgent(() => "listed")).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "import.checksum-mismatch", details: { expected: "0".repeat(64) } });
    expect(JSON.stringify(errorToJson(error))).not.toContain(sha256);
  });

  it("tells none either when only the last hop led into a listed network", async () => {
    const url = await serve((request, response) => {
      if (request.headers.host?.startsWith("127.0.0.1"))
        response.writeHead(302, { location: `http://127.0.0.2:${new URL(url).port}/` }).end();
      else response.end(bytes);
    }, "0.0.0.0");
    const rule = (address: string) => (address === "127.0.0.1" ? ("public" as const) : ("listed" as const));
    const error = await get(url, { sha256: "0".repeat(64) }, new GuardedAgent(rule)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "import.checksum-mismatch" });
    expect(JSON.stringify(errorToJson(error))).not.toContain(sha256);
  });

  it("does not try again where it may never go, nor for a name that does not exist", async () => {
    const asked: string[] = [];
    const guard = () =>
      new GuardedAgent(addressRule([], []), (host, _options, callback) => {
        asked.push(host);
        if (host === "gone.example") callback(Object.assign(new Error("no"), { code: "ENOTFOUND" }), []);
        else callback(null, [{ address: "10.0.0.1", family: 4 }]);
      });
    const codes: Record<string, string> = {};
    for (const url of [
      "http://gone.example/",
      "http://inside.example/",
      "http://localhost./",
      "http://x.nip.invalid/",
    ]) {
      codes[url] = await get(url, {}, guard()).then(
        () => "fetched",
        (error: { code: string }) => error.code,
      );
      await rm(join(folder, ".disk.img.part"));
    }
    expect(codes).toEqual({
      "http://gone.example/": "import.unknown-host",
      "http://inside.example/": "import.private-address",
      "http://localhost./": "import.private-address",
      "http://x.nip.invalid/": "import.unknown-host",
    });
    expect(asked).toEqual(["gone.example", "inside.example"]);
  });

  it("stops when it is told to", async () => {
    const stop = new AbortController();
    const url = await serve((_request, response) => {
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, 1000));
      setTimeout(() => stop.abort(new Error("enough")), 20);
    });
    const input = { url, sha256, folder, fileName: "disk.img", networks: [], free: 2 ** 40 };
    await expect(fetchFile(input, stop.signal, () => undefined, 1, publicHere())).rejects.toThrow("enough");
  });
});
