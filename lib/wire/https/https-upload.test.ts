import { once } from "node:events";
import { type AddressInfo } from "node:net";
import { createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { makeCertificate } from "#e2e/lab/vmware/certificate.ts";
import { EarlyAnswer } from "./https-upload.ts";
import { HttpsPeer } from "./https-peer.ts";

let folder: string;
let server: Server;
let peer: HttpsPeer;
let serve: (request: IncomingMessage, response: ServerResponse) => void;
const KiB = 1024;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "supravisor-upload-"));
  const made = makeCertificate(folder, "upload");
  server = createServer({ key: made.key, cert: made.cert }, (request, response) => serve(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  peer = new HttpsPeer({
    host: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
    certificate: made.sha256,
    ca: null,
    clientCertificate: null,
    clientKey: null,
  });
});
afterAll(async () => {
  await peer[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const open = (signal = new AbortController().signal) =>
  peer.upload({ method: "POST", path: "/x?y=1", headers: { "content-type": "application/octet-stream" }, signal });

describe("an upload", () => {
  let got: { hash: string; length: number; encoding: string | undefined; host: string | undefined } | null;
  beforeEach(() => {
    got = null;
    serve = (request, response) => {
      const hash = createHash("sha256");
      let length = 0;
      request.on("data", (bytes: Buffer) => {
        hash.update(bytes);
        length += bytes.length;
      });
      request.on("end", () => {
        const { host, "transfer-encoding": encoding } = request.headers;
        got = { hash: hash.digest("hex"), length, encoding, host };
        response.writeHead(201).end("taken");
      });
    };
  });

  it("arrives as it was when each piece was handed over, though one memory is used for all", async () => {
    await using upload = await open();
    const expected = createHash("sha256");
    const memory = Buffer.from(new SharedArrayBuffer(900 * KiB));
    let length = 0;
    for (let i = 0; i < 60; i++) {
      const piece = memory.subarray(0, 1 + ((i * 37_117) % memory.length)).fill(i + 1);
      expected.update(piece);
      length += piece.length;
      await upload.write(piece);
      memory.fill(0);
    }
    expect(await upload.end()).toEqual({ status: 201, words: "taken" });
    expect(got).toEqual({ hash: expected.digest("hex"), length, encoding: "chunked", host: peer.name });
  });

  it("ends with the peer's words when the peer has had enough", async () => {
    serve = (request, response) => {
      request.once("data", () => response.writeHead(507, { connection: "close" }).end("no room"));
    };
    await using upload = await open();
    const sending = (async () => {
      for (;;) await upload.write(Buffer.alloc(64 * KiB));
    })();
    const error = await sending.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(EarlyAnswer);
    expect(error).toMatchObject({ status: 507, words: "no room" });
    await expect(upload.write(Buffer.alloc(1))).rejects.toBe(error);
  });

  it("is told as broken when the connection is cut, also in the middle of a wait", async () => {
    serve = (request) => {
      request.pause();
      setTimeout(() => request.socket.destroy(), 200);
    };
    await using upload = await open();
    const sending = (async () => {
      for (;;) await upload.write(Buffer.alloc(512 * KiB));
    })();
    await expect(sending).rejects.toMatchObject({ code: "host.unreachable" });
    await expect(upload.end()).rejects.toMatchObject({ code: "host.unreachable" });
  });

  it("stops at once when it is cancelled, also while the peer takes nothing or does not answer", async () => {
    serve = (request) => void request.pause();
    for (const ended of [false, true]) {
      const stop = new AbortController();
      await using upload = await open(stop.signal);
      const reason = new Error("enough");
      const sending = ended
        ? upload.write(Buffer.alloc(1)).then(() => upload.end())
        : (async () => {
            for (;;) await upload.write(Buffer.alloc(512 * KiB));
          })();
      await delay(100);
      const asked = performance.now();
      stop.abort(reason);
      await expect(sending).rejects.toBe(reason);
      expect(performance.now() - asked).toBeLessThan(2000);
    }
  });

  it("goes only to the peer whose certificate is pinned", async () => {
    await using other = new HttpsPeer({
      host: "127.0.0.1",
      port: (server.address() as AddressInfo).port,
      certificate: "0".repeat(64),
      ca: null,
      clientCertificate: null,
      clientKey: null,
    });
    const { signal } = new AbortController();
    await expect(other.upload({ method: "POST", path: "/", headers: {}, signal })).rejects.toMatchObject({
      code: "host.key-changed",
    });
  });
});
