/**
 * A small HTTPS server for hosts that fetch and send files themselves. Each file has an address and a token of its own,
 * and ends with its transfer; the certificate is made anew each time and handed to the host beforehand.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import { isIP, type AddressInfo } from "node:net";
import type { Socket } from "node:net";
import { generate } from "selfsigned";
import { AppError } from "#lib/errors.ts";
import type { Incoming } from "./incoming.ts";

/** The bytes of a file that is nowhere stored. */
interface Outgoing {
  readonly length: number;
  read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void>;
}

export interface TransferAddress {
  readonly url: string;
  /**
   * The same by a name, which some clients want in a certificate. `resolve`: for curl, where that name is; null: the
   * address is a name itself.
   */
  readonly named: { readonly url: string; readonly resolve: string | null };
  /** For the header `Authorization: Bearer …`. */
  readonly token: string;
  /** No request is taken any more, and those that run are broken off. */
  close(): void;
}

interface Entry {
  readonly hash: Buffer;
  readonly requests: Set<IncomingMessage>;
  serve(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

/** Stands in the certificate beside an address that is none. */
const NAME = "supravisor-transfer";
const PIECE = 1024 * 1024;
const DAY_MS = 86_400_000;
const hashOf = (token: string): Buffer => createHash("sha256").update(token).digest();

export class TransferHost implements AsyncDisposable {
  readonly #server: Server;
  readonly #address: string;
  readonly #entries = new Map<string, Entry>();
  readonly #sockets = new Set<Socket>();
  /** PEM. */
  readonly certificate: string;
  #port = 0;

  private constructor(server: Server, address: string, certificate: string) {
    this.#server = server;
    this.#address = address;
    this.certificate = certificate;
    server.on("request", (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response));
    server.on("secureConnection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /**
   * `address`: by which the peer reaches this machine. `ports`: the first free one of them; [0, 0] leaves it to the
   * system. Throws `transfer.no-port` (unavailable).
   */
  static async listen(address: string, ports: readonly [number, number]): Promise<TransferHost> {
    const { private: key, cert } = await generate([{ name: "commonName", value: "Supravisor transfer" }], {
      keyType: "ec",
      curve: "P-256",
      notBeforeDate: new Date(Date.now() - DAY_MS),
      notAfterDate: new Date(Date.now() + 2 * DAY_MS),
      extensions: [
        {
          name: "subjectAltName",
          altNames:
            isIP(address) === 0
              ? [{ type: 2, value: address }]
              : [
                  { type: 7, ip: address },
                  { type: 2, value: NAME },
                ],
        },
      ],
    });
    const server = createServer({ key, cert, minVersion: "TLSv1.2" });
    const host = new TransferHost(server, address, cert);
    for (let port = ports[0]; port <= ports[1]; port++) {
      const listening = await new Promise<boolean>((resolve) => {
        server.once("error", () => resolve(false));
        server.listen(port, () => resolve(true));
      });
      server.removeAllListeners("error");
      if (!listening) continue;
      host.#port = (server.address() as AddressInfo).port;
      return host;
    }
    throw new AppError(
      "unavailable",
      "transfer.no-port",
      `None of the ports ${ports[0]} to ${ports[1]} is free here.`,
      {
        hint: "Give SUPRAVISOR_TRANSFER_PORTS a wider range.",
      },
    );
  }

  #add(serve: Entry["serve"]): TransferAddress {
    const id = randomBytes(12).toString("hex");
    const token = randomBytes(32).toString("base64url");
    const requests = new Set<IncomingMessage>();
    this.#entries.set(id, { hash: hashOf(token), requests, serve });
    const host = this.#address.includes(":") ? `[${this.#address}]` : this.#address;
    const url = `https://${host}:${this.#port}/transfers/${id}`;
    return {
      url,
      named:
        isIP(this.#address) === 0
          ? { url, resolve: null }
          : {
              url: `https://${NAME}:${this.#port}/transfers/${id}`,
              resolve: `${NAME}:${this.#port}:${host}`,
            },
      token,
      close: () => {
        this.#entries.delete(id);
        for (const request of requests) request.destroy();
      },
    };
  }

  /** A file to fetch, whole or from any byte on. */
  offer(file: Outgoing, signal?: AbortSignal): TransferAddress {
    return this.#add(async (request, response) => {
      if (request.method !== "GET" && request.method !== "HEAD") return end(response, 405);
      const asked = /^bytes=(\d{1,15})-$/.exec(request.headers.range ?? "");
      const from = asked === null ? 0 : Number(asked[1]);
      if (from > file.length) return end(response, 416);
      response.statusCode = asked === null ? 200 : 206;
      response.setHeader("Accept-Ranges", "bytes");
      response.setHeader("Content-Type", "application/octet-stream");
      response.setHeader("Content-Length", file.length - from);
      if (asked !== null) response.setHeader("Content-Range", `bytes ${from}-${file.length - 1}/${file.length}`);
      if (request.method === "HEAD") return void response.end();
      for (let at = from; at < file.length; ) {
        const bytes = Buffer.allocUnsafe(Math.min(PIECE, file.length - at));
        await file.read(at, bytes, signal);
        if (response.destroyed) return;
        at += bytes.length;
        if (!response.write(bytes)) await writable(response);
      }
      response.end();
    });
  }

  /** A file to send. */
  accept(incoming: Incoming): TransferAddress {
    return this.#add(async (request, response) => {
      if (request.method !== "PUT") return end(response, 405);
      const range = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15})$/.exec(request.headers["content-range"] ?? "");
      const length = Number(request.headers["content-length"] ?? NaN);
      const from = range === null ? 0 : Number(range[1]);
      const total = range === null ? length : Number(range[2]);
      if (!Number.isSafeInteger(total)) return end(response, 411);
      if (request.headers.expect?.toLowerCase() === "100-continue") response.writeContinue();
      end(response, await incoming.take(request, from, total));
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = /^\/transfers\/([0-9a-f]{24})$/.exec(request.url ?? "")?.[1] ?? "";
    const entry = this.#entries.get(id);
    const token = /^Bearer ([\w-]{20,100})$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    // The same answer to a wrong address and to a wrong token.
    if (entry === undefined || !timingSafeEqual(hashOf(token), entry.hash)) return end(response, 404);
    entry.requests.add(request);
    try {
      await entry.serve(request, response);
    } catch {
      // Who made the file knows why; to the peer a cut body says enough.
      request.destroy();
    } finally {
      entry.requests.delete(request);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#entries.clear();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** Until the response takes more, or its connection is gone. */
function writable(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      response.off("drain", settle);
      response.off("close", settle);
      resolve();
    };
    response.on("drain", settle);
    response.on("close", settle);
  });
}

function end(response: ServerResponse, status: number): void {
  response.statusCode = status;
  response.setHeader("Content-Length", 0);
  response.end();
}
