/** One member of a pool over HTTPS: its JSON-RPC, and the connections for bulk data. Nothing is written before the pin fits. */
import { Agent, request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { z } from "zod";
import { AppError } from "#lib/errors.ts";
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
const MOST_ANSWER = 512 * 1024 * 1024;
/** An idle connection is closed before the peer does it under a request. */
const IDLE_MS = 5_000;

const Answer = z.union([
  z.object({ error: z.object({ message: z.string(), data: z.array(z.coerce.string()).catch([]) }) }),
  z.object({ result: z.unknown() }),
]);

class PinnedAgent extends Agent {
  readonly #member: Member;

  constructor(member: Member) {
    super({ keepAlive: true, maxSockets: 8, timeout: IDLE_MS });
    this.#member = member;
  }

  override createConnection(
    _options: unknown,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    openTls({ ...this.#member, clientCertificate: null, clientKey: null }).then(
      (socket) => callback?.(null, socket),
      (error: unknown) => (callback as ((error: unknown) => void) | undefined)?.(error),
    );
    return undefined;
  }
}

export class Endpoint {
  readonly member: Member;
  /** For messages. */
  readonly name: string;
  readonly #agent: PinnedAgent;

  constructor(member: Member) {
    this.member = member;
    this.name = member.port === 443 ? member.host : `${member.host}:${member.port}`;
    this.#agent = new PinnedAgent(member);
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Throws XapiFailure, and `host.*` when there is no answer. */
  async call(method: string, params: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const { request, response } = await this.send(
      "POST",
      "/jsonrpc",
      { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      signal,
      body,
    );
    const text = await readText(response, request, this.name, signal);
    if (response.statusCode !== 200) {
      throw new AppError(
        "unprocessable",
        "host.not-xapi",
        `${this.name} answers with HTTP ${response.statusCode ?? 0} where the XenAPI should be.`,
        { hint: "Is it a XenServer ≥ 7.3 or an XCP-ng, and the port right?" },
      );
    }
    const answer = Answer.safeParse(parseJson(text, this.name));
    if (!answer.success) throw notXapi(this.name);
    if ("error" in answer.data) throw new XapiFailure(answer.data.error.message, answer.data.error.data);
    return answer.data.result;
  }

  /** Answers when the response's head is there. Without a body the request stays open for writing. */
  send(
    method: string,
    path: string,
    headers: Record<string, string | number>,
    signal: AbortSignal,
    body?: string,
  ): Promise<{ request: ClientRequest; response: IncomingMessage }> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        agent: this.#agent,
        host: this.member.host,
        method,
        path,
        headers: { host: this.name, ...headers },
      });
      const abort = (): void =>
        void request.destroy(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
      signal.addEventListener("abort", abort, { once: true });
      request.once("close", () => signal.removeEventListener("abort", abort));
      request.once("response", (response) => resolve({ request, response }));
      request.on("error", (error) => reject(signal.aborted ? signal.reason : unreachable(this.name, error)));
      if (body === undefined) request.flushHeaders();
      else request.end(body);
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

function notXapi(name: string): AppError {
  return new AppError("unprocessable", "host.not-xapi", `${name} does not answer as a XenAPI does.`, {
    hint: "Is it a XenServer ≥ 7.3 or an XCP-ng, and the port right?",
  });
}

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw notXapi(name);
  }
}

async function readText(
  response: IncomingMessage,
  request: ClientRequest,
  name: string,
  signal: AbortSignal,
): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > MOST_ANSWER) {
        request.destroy();
        throw notXapi(name);
      }
      parts.push(part);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw unreachable(name, error);
  }
  return Buffer.concat(parts).toString("utf8");
}
