/** One member of a pool over HTTPS: its JSON-RPC, and the connections for bulk data. Nothing is written before the pin fits. */
import { request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { z } from "zod";
import { AppError } from "#lib/errors.ts";
import { HttpsPeer, type HttpsResponse } from "#lib/wire/https/https-peer.ts";
import { countInterim } from "#lib/wire/https/interim.ts";
import { readJson } from "#lib/wire/json/read-json.ts";
import { openTls } from "#lib/wire/tls/open-tls.ts";
import { XapiFailure } from "./xapi-error.ts";

export interface Member {
  readonly host: string;
  readonly port: number;
  /** SHA-256 of its certificate; null: `ca` decides. */
  readonly certificate: string | null;
  readonly ca: string | null;
}

/** A pool of thousands of VMs answers with some tens of megabytes. */
const MOST_ANSWER = 128 * 1024 * 1024;

/** What a failure says beside its code: some names and references. */
const MOST_PARAMS = 64;
const LONGEST_PARAM = 4096;
const Word = z.string().transform((text) => text.slice(0, LONGEST_PARAM));
const Param = z.union([Word, z.number().transform(String), z.boolean().transform(String)]).catch("");
const Params = z.preprocess((given) => (Array.isArray(given) ? given.slice(0, MOST_PARAMS) : []), z.array(Param));

const Answer = z.union([
  z.object({ error: z.object({ message: Word, data: Params }) }),
  z.object({ result: z.unknown() }),
]);

export class Endpoint {
  readonly member: Member;
  /** For messages. */
  readonly name: string;
  readonly #peer: HttpsPeer;

  constructor(member: Member) {
    this.member = member;
    this.name = member.port === 443 ? member.host : `${member.host}:${member.port}`;
    this.#peer = new HttpsPeer({ ...member, clientCertificate: null, clientKey: null });
  }

  close(): void {
    void this.#peer[Symbol.asyncDispose]();
  }

  /** Throws XapiFailure, `host.not-xapi`, and `host.*` when there is no answer within `timeout` milliseconds. */
  async call(method: string, params: readonly unknown[], timeout: number, signal?: AbortSignal): Promise<unknown> {
    const response = await this.#peer.request({
      method: "POST",
      path: "/jsonrpc",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
      timeout,
      signal,
    });
    if (response.status !== 200) {
      await response.text(0);
      throw notXapi(this.name, `answers with HTTP ${response.status}`);
    }
    const answer = Answer.safeParse(await this.#read(response, signal));
    if (!answer.success) throw notXapi(this.name, "answers otherwise than the XenAPI does");
    if ("error" in answer.data) throw new XapiFailure(answer.data.error.message, answer.data.error.data);
    return answer.data.result;
  }

  async #read(response: HttpsResponse, signal: AbortSignal | undefined): Promise<unknown> {
    try {
      return await readJson(response.body, { most: MOST_ANSWER, signal });
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "host.protocol") throw error;
      throw notXapi(this.name, "answers otherwise than the XenAPI does", error);
    }
  }

  /**
   * A request on a connection of its own. Answers when the response's head is there, which for a PUT is before its body
   * is sent: the request stays open for writing.
   */
  async send(
    method: "GET" | "PUT",
    path: string,
    headers: Record<string, string | number>,
    signal: AbortSignal,
  ): Promise<{ request: ClientRequest; response: IncomingMessage }> {
    const socket = await openTls({ ...this.member, clientCertificate: null, clientKey: null }, signal);
    return await new Promise((resolve, reject) => {
      const request = httpRequest({
        createConnection: () => socket,
        method,
        path,
        headers: { host: this.name, connection: "close", ...headers },
      });
      const abort = (): void => void request.destroy(new Error("aborted"));
      signal.addEventListener("abort", abort, { once: true });
      request.once("close", () => {
        signal.removeEventListener("abort", abort);
        socket.destroy();
      });
      request.on(
        "information",
        countInterim(this.name, (error) => request.destroy(error)),
      );
      request.once("response", (response) => {
        // From here on the transfer has no length in time.
        signal.removeEventListener("abort", abort);
        resolve({ request, response });
      });
      request.on("error", (error) =>
        reject(signal.aborted ? (signal.reason as unknown) : unreachable(this.name, error)),
      );
      if (method === "PUT") request.flushHeaders();
      else request.end();
    });
  }
}

export function unreachable(name: string, cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  return new AppError(
    "unavailable",
    "host.unreachable",
    `${name} broke the connection off: ${cause instanceof Error ? cause.message : "no reason given"}.`,
    { hint: "Check that the host is up and that nothing between here and there cuts connections.", cause },
  );
}

function notXapi(name: string, what: string, cause?: unknown): AppError {
  return new AppError("unprocessable", "host.not-xapi", `${name} ${what}.`, {
    hint: "Is it a XenServer ≥ 7.3 or an XCP-ng, and the port right?",
    ...(cause === undefined ? {} : { cause }),
  });
}
