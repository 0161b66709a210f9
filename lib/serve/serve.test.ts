/** A disk given out in other formats before it exists, to clients that are not ours: curl, nbdinfo, nbdcopy, QEMU. */
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { connect, type AddressInfo, type Server } from "node:net";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { BlockSource } from "#lib/disk/block-source.ts";
import { openInspection } from "#lib/disk/file-conversion.ts";
import type { OpenedImage } from "#lib/disk/format.ts";
import { Scratch } from "#lib/disk/testing/scratch.ts";
import { DISK_FORMATS, type DiskFormatId } from "#lib/domain/disk-format.ts";
import { createFileServer } from "./http-server.ts";
import { createNbdServer } from "./nbd/server.ts";
import { readServeTls, type ServeTls } from "./tls.ts";
import { planVirtualFile, type VirtualFile } from "./virtual-file.ts";

const MiB = 1024 ** 2;
const run = promisify(execFile);
const scratch = new Scratch();
const stop = new AbortController();
const servers: Server[] = [];
const errors: unknown[] = [];
let opened: OpenedImage;
let raw: string;
let truth: Buffer;

beforeAll(async () => {
  raw = scratch.raw("disk.raw", 96 * MiB + 512, [
    [0, 4096],
    [3 * MiB, 5 * MiB],
    [50 * MiB + 512, 512],
    [96 * MiB, 512],
  ]);
  truth = readFileSync(raw);
  scratch.qemuImg("convert", "-f", "raw", "-O", "qcow2", "disk.raw", "disk.qcow2");
  opened = await openInspection(scratch.path("disk.qcow2"));
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  expect(errors.splice(0)).toEqual([]);
});
afterAll(async () => {
  stop.abort();
  await opened[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

async function portOf(server: Server): Promise<number> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const virtual = (format: DiskFormatId, disk: BlockSource = opened.disk) =>
  planVirtualFile({ disk, name: `disk.${format}`, format });
const nbd = (file: VirtualFile, tls: ServeTls | null = null) =>
  portOf(createNbdServer({ file, tls, signal: stop.signal, onError: (error) => errors.push(error) }));
const http = (file: VirtualFile, token: string | null = null) =>
  portOf(createFileServer({ file, tls: null, token, onError: (error) => errors.push(error) }));

/** A disk that fails inside [from, to). */
function failing(from: number, to: number): BlockSource {
  const { disk } = opened;
  return {
    size: disk.size,
    extents: (signal) => disk.extents(signal),
    async read(offset, into, signal) {
      if (offset < to && offset + into.length > from) throw new Error("the medium is broken");
      await disk.read(offset, into, signal);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

describe("over HTTP", () => {
  it.each(DISK_FORMATS)("curl gets %s that QEMU takes for the same disk", async (format) => {
    const file = await virtual(format);
    const port = await http(file);
    const out = scratch.path(`out.${format}`);
    await run("curl", ["-fsSL", "-o", out, `http://127.0.0.1:${port}/`]);
    expect(readFileSync(out)).toHaveLength(file.length);
    const words = scratch.qemuImg(
      "compare",
      ...["-f", "raw", "-F", format === "vhd" ? "vpc" : format, "disk.raw", `out.${format}`],
    );
    expect(words).toMatch(/identical/);
    // A range that begins and ends inside the file's own tables and blocks.
    const [from, to] = [file.length - 70_001, file.length - 3];
    const { stdout } = await run("curl", ["-fsS", "-r", `${from}-${to}`, `http://127.0.0.1:${port}/${file.name}`], {
      encoding: "buffer",
    });
    expect(stdout.equals(readFileSync(out).subarray(from, to + 1))).toBe(true);
  });

  it("resumes where curl was cut off, and starts anew when the bytes are other ones", async () => {
    const first = `http://127.0.0.1:${await http(await virtual("vhdx"))}/disk.vhdx`;
    const head = await fetch(first, { method: "HEAD" });
    const etag = head.headers.get("etag") ?? "";
    expect([head.status, head.headers.get("accept-ranges")]).toEqual([200, "bytes"]);
    const asked = async (url: string, headers: Record<string, string>) => {
      const response = await fetch(url, { headers });
      const bytes = Buffer.from(await response.arrayBuffer());
      return { status: response.status, range: response.headers.get("content-range"), bytes };
    };
    const whole = await asked(first, {});
    const rest = await asked(first, { range: "bytes=1000000-", "if-range": etag });
    expect([rest.status, rest.bytes.equals(whole.bytes.subarray(1_000_000))]).toEqual([206, true]);
    expect((await asked(first, { "if-none-match": etag })).status).toBe(304);
    const past = await asked(first, { range: `bytes=${whole.bytes.length}-` });
    expect([past.status, past.range]).toEqual([416, `bytes */${whole.bytes.length}`]);
    const second = `http://127.0.0.1:${await http(await virtual("vhdx"))}/disk.vhdx`;
    const anew = await asked(second, { range: "bytes=1000000-", "if-range": etag });
    expect([anew.status, anew.bytes.length]).toEqual([200, whole.bytes.length]);
    expect((await asked(second, { "if-match": etag })).status).toBe(412);
  });

  it("asks for the token when there is one, and gives nothing else", async () => {
    const url = `http://127.0.0.1:${await http(await virtual("raw"), "s3cret")}`;
    expect((await fetch(`${url}/disk.raw`)).status).toBe(401);
    expect((await fetch(`${url}/disk.raw`, { headers: { authorization: "Bearer s3cre" } })).status).toBe(401);
    const authorization = "Bearer s3cret";
    expect((await fetch(`${url}/disk.raw`, { method: "HEAD", headers: { authorization } })).status).toBe(200);
    expect((await fetch(`${url}/../etc/passwd`, { headers: { authorization } })).status).toBe(404);
    expect((await fetch(`${url}/disk.raw`, { method: "PUT", body: "x", headers: { authorization } })).status).toBe(405);
  });

  it("cuts the body short when the disk cannot be read on, so that nobody takes it for whole", async () => {
    const port = await http(await virtual("raw", failing(6 * MiB, 7 * MiB)));
    const failed = run("curl", ["-fsS", "-o", "/dev/null", `http://127.0.0.1:${port}/disk.raw`]);
    await expect(failed).rejects.toMatchObject({ code: 18 });
    expect(errors.splice(0)).toHaveLength(1);
  });

  it("refuses what has no length before its end", async () => {
    const options = { subformat: "streamOptimized" };
    await expect(planVirtualFile({ disk: opened.disk, name: "x", format: "vmdk", options })).rejects.toMatchObject({
      code: "image.not-plannable",
    });
    await expect(
      planVirtualFile({ disk: opened.disk, name: "x", format: "vmdk", options: { nonsense: 1 } }),
    ).rejects.toMatchObject({ code: "options.invalid" });
  });
});

describe("over NBD", () => {
  it("nbdinfo sees a read-only export and its holes, nbdcopy and QEMU get the disk", async () => {
    const uri = `nbd://127.0.0.1:${await nbd(await virtual("raw"))}`;
    const { stdout } = await run("nbdinfo", ["--json", uri]);
    expect(JSON.parse(stdout)).toMatchObject({
      structured: true,
      exports: [{ "export-size": truth.length, is_read_only: true, can_df: true, contexts: ["base:allocation"] }],
    });
    const map = JSON.parse((await run("nbdinfo", ["--map", "--json", uri])).stdout) as {
      offset: number;
      length: number;
      type: number;
    }[];
    expect(map.reduce((at, { offset, length }) => (offset === at ? at + length : -1), 0)).toBe(truth.length);
    for (const { offset, length, type } of map)
      if (type !== 0) expect(truth.subarray(offset, offset + length).every((byte) => byte === 0)).toBe(true);
    expect(map.some(({ type }) => type === 3)).toBe(true);
    await run("nbdcopy", [uri, scratch.path("copied.raw")]);
    expect(readFileSync(scratch.path("copied.raw")).equals(truth)).toBe(true);
    const { stdout: words } = await run("qemu-img", ["compare", "-f", "raw", "-F", "raw", raw, uri]);
    expect(words).toMatch(/identical/);
    expect(JSON.parse((await run("nbdinfo", ["--list", "--json", uri])).stdout)).toMatchObject({
      exports: [{ "export-name": "disk.raw" }],
    });
    await expect(run("nbdinfo", [`${uri}/another`])).rejects.toThrow(/No such file or directory for export/);
  });

  it("reads neighbours that are asked for together at once, and each is answered for itself", async () => {
    const file = await virtual("raw");
    const sizes: number[] = [];
    const port = await nbd({
      ...file,
      read(offset, into, signal) {
        sizes.push(into.length);
        return file.read(offset, into, signal);
      },
    });
    await run("nbdcopy", [
      "--connections=1",
      "--requests=32",
      "--request-size=65536",
      `nbd://127.0.0.1:${port}`,
      "null:",
    ]);
    expect(Math.max(...sizes)).toBeGreaterThan(65_536);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2 * MiB);
  });

  it("gives a whole file of another format, which QEMU opens through it", async () => {
    const uri = `nbd://127.0.0.1:${await nbd(await virtual("vhdx"))}/disk.vhdx`;
    const { stdout } = await run("qemu-img", ["compare", "-f", "raw", "-F", "vhdx", raw, uri]);
    expect(stdout).toMatch(/identical/);
  });

  it("speaks TLS and nothing else once it has a certificate, and knows its clients by theirs", async () => {
    const pem = (name: string) => scratch.path(name);
    const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl(
      "req",
      "-x509",
      ...key,
      "-keyout",
      pem("ca-key.pem"),
      "-out",
      pem("ca-cert.pem"),
      "-subj",
      "/CN=ca",
      "-days",
      "2",
    );
    for (const [name, subject] of [
      ["server", "localhost"],
      ["client", "client"],
    ] as const) {
      openssl("req", ...key, "-keyout", pem(`${name}-key.pem`), "-out", pem(`${name}.csr`), "-subj", `/CN=${subject}`);
      openssl(
        "x509",
        "-req",
        "-in",
        pem(`${name}.csr`),
        "-CA",
        pem("ca-cert.pem"),
        "-CAkey",
        pem("ca-key.pem"),
        "-CAcreateserial",
        "-out",
        pem(`${name}-cert.pem`),
        "-days",
        "2",
      );
    }
    const tls = await readServeTls({
      cert: pem("server-cert.pem"),
      key: pem("server-key.pem"),
      clientCa: pem("ca-cert.pem"),
    });
    const port = await nbd(await virtual("raw"), tls);
    await expect(run("nbdinfo", [`nbd://127.0.0.1:${port}`])).rejects.toThrow(/Operation not supported/);
    const uri = `nbds://localhost:${port}/?tls-certificates=${scratch.folder}`;
    const { stdout } = await run("nbdinfo", ["--json", uri]);
    expect(JSON.parse(stdout)).toMatchObject({ TLS: true, exports: [{ "export-size": truth.length }] });
    await run("nbdcopy", [uri, scratch.path("over-tls.raw")]);
    expect(readFileSync(scratch.path("over-tls.raw")).equals(truth)).toBe(true);
    // Without a certificate of its own the client gets no further.
    mkdirSync(scratch.path("stranger"));
    copyFileSync(pem("ca-cert.pem"), scratch.path("stranger/ca-cert.pem"));
    const stranger = `nbds://localhost:${port}/?tls-certificates=${scratch.path("stranger")}`;
    await expect(run("nbdinfo", [stranger])).rejects.toThrow(/gnutls/);
  });

  it("tells a broken medium as an I/O error and goes on", async () => {
    const port = await nbd(await virtual("raw", failing(6 * MiB, 7 * MiB)));
    const uri = `nbd://127.0.0.1:${port}`;
    await expect(run("qemu-io", ["-r", "-f", "raw", "-c", "read 6M 4k", uri])).rejects.toMatchObject({
      stdout: expect.stringMatching(/Input\/output error/),
    });
    expect(errors.splice(0).length).toBeGreaterThan(0);
    const { stdout } = await run("qemu-io", ["-r", "-f", "raw", "-c", "read 4M 4k", uri]);
    expect(stdout).toMatch(/read 4096\/4096/);
  });
});

describe("a hostile NBD client", () => {
  const hello = "00000003";
  const option = (kind: number, data = "", length = data.length / 2) =>
    `49484156454f5054${kind.toString(16).padStart(8, "0")}${length.toString(16).padStart(8, "0")}${data}`;
  const go = option(7, "00000000" + "0000");
  const request = (type: number, offset: bigint, length: number, magic = "25609513", cookie = "c0") =>
    `${magic}0000${type.toString(16).padStart(4, "0")}${cookie.repeat(8)}${offset.toString(16).padStart(16, "0")}${length.toString(16).padStart(8, "0")}`;

  /** Sends, ends its side, and answers all that came until the server hung up. */
  async function say(port: number, hex: string): Promise<Buffer> {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    const parts: Buffer[] = [];
    socket.on("data", (part: Buffer) => parts.push(part));
    socket.end(Buffer.from(hex, "hex"));
    await once(socket, "close");
    return Buffer.concat(parts);
  }

  it("that asks for everything at once is answered for each, also where one of neighbours cannot be read", async () => {
    const bad = 6 * MiB;
    const port = await nbd(await virtual("raw", failing(bad, bad + 1)));
    const KiB64 = 65_536;
    const places = [-2, -1, 0, 1, 40].map((i) => bad + i * KiB64);
    const asked = places.map((at, i) => request(0, BigInt(at), KiB64, undefined, `0${i + 1}`)).join("");
    const socket = connect(port, "127.0.0.1");
    const parts: Buffer[] = [];
    socket.on("data", (part: Buffer) => parts.push(part));
    socket.write(Buffer.from(hello + go + asked, "hex"));
    /** By cookie, those that are here whole. */
    const parse = (): Map<string, Buffer | string> => {
      const got = Buffer.concat(parts);
      const answers = new Map<string, Buffer | string>();
      for (let at = got.indexOf("67446698", "hex"); at >= 0 && at + 16 <= got.length; ) {
        const error = got.readUInt32BE(at + 4);
        const data = got.subarray(at + 16, at + 16 + (error === 0 ? KiB64 : 0));
        if (error !== 0 || data.length === KiB64)
          answers.set(got.subarray(at + 8, at + 9).toString("hex"), error === 0 ? data : `error ${error}`);
        at += 16 + data.length;
      }
      return answers;
    };
    await expect.poll(() => parse().size).toBe(places.length);
    const answers = parse();
    socket.destroy();
    errors.splice(0);
    for (const [i, place] of places.entries()) {
      const answer = answers.get(`0${i + 1}`);
      if (place === bad) expect(answer).toBe("error 5");
      else expect(truth.subarray(place, place + KiB64).equals(answer as Buffer)).toBe(true);
    }
  });

  it("gets an error or is hung up on, and the next client is served", async () => {
    const port = await nbd(await virtual("raw"));
    const GiB = 2 ** 30;
    const talks = {
      "unknown flags": "ffffffff",
      "no option magic": `${hello}${"00".repeat(16)}`,
      "an endless option": hello + option(7, "", 0xffffffff),
      "an option with a lying name": hello + option(7, "ffffffff" + "0000"),
      "contexts that lie about their number": hello + option(8) + option(10, "00000000" + "ffffffff"),
      "an unknown option": hello + option(0x7fffffff, "00"),
      "a request without magic": hello + go + request(0, 0n, 512, "deadbeef"),
      "a read past the end": hello + go + request(0, BigInt(truth.length), 512),
      "a read near 2^64": hello + go + request(0, 0xffffffffffffff00n, 512),
      "a read of 4 GiB": hello + go + request(0, 0n, 4 * GiB - 1),
      "a write whose bytes never come": hello + go + request(1, 0n, 2 * GiB),
      "an unknown command": hello + go + request(99, 0n, 0),
      "block status that was not agreed on": hello + go + request(7, 0n, 512),
    };
    for (const [what, hex] of Object.entries(talks)) {
      const answer = await say(port, hex);
      expect(answer.subarray(0, 16).toString("latin1"), what).toBe("NBDMAGICIHAVEOPT");
      expect(answer.length, what).toBeLessThan(2048);
    }
    const refused = await say(port, hello + go + request(0, BigInt(truth.length), 512));
    expect(refused.subarray(-16).toString("hex")).toBe(`67446698${"00000016"}${"c0".repeat(8)}`);
    const { stdout } = await run("nbdinfo", ["--size", `nbd://127.0.0.1:${port}`]);
    expect(Number(stdout)).toBe(truth.length);
  });
});
