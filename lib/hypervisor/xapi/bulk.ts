/** The bulk handlers of a pool: /import_raw_vdi and /export_raw_vdi, followed to the member that reaches the storage. */
import type { ClientRequest, IncomingMessage } from "node:http";
import { z } from "zod";
import { AppError } from "#lib/errors.ts";
import { Endpoint } from "./endpoint.ts";
import type { XapiSession } from "./session.ts";
import { destroyTask, followTask } from "./tasks.ts";
import { asAppError } from "./xapi-error.ts";

/** Attaching a disk to the member takes its time on slow storage. */
const HEAD_MS = 120_000;
const MOST_HOPS = 3;
/** A request that was refused: how long the task gets to say why. */
const REASON_MS = 1000;
/** More than any disk has: the length of sparse records shows only at their end, and an encoding is refused. */
const UNKNOWN_LENGTH = 1024 ** 5;

export interface BulkRequest {
  readonly request: ClientRequest;
  readonly response: IncomingMessage;
  readonly task: string;
  /** The member that serves it, for messages. */
  readonly name: string;
  close(): void;
}

export interface BulkOptions {
  readonly method: "GET" | "PUT";
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** PUT: exact bytes of the body; null: it ends by itself. */
  readonly length: number | null;
  readonly doing: string;
  readonly signal?: AbortSignal;
}

/** Answers when the member is ready for the bytes, or has begun to send them. */
export async function openBulk(session: XapiSession, options: BulkOptions): Promise<BulkRequest> {
  const { doing, signal } = options;
  const task = await session.call("task.create", [`Supravisor: ${doing}`, ""], z.string(), signal);
  // The session is renewed now if it is lost: a bulk request cannot do that.
  let endpoint = new Endpoint(session.endpoint.member);
  let path = `${options.path}?${new URLSearchParams({ ...options.query, session_id: session.id, task_id: task }).toString()}`;
  const headers = options.method === "PUT" ? { "content-length": options.length ?? UNKNOWN_LENGTH } : {};
  try {
    for (let hop = 0; ; hop += 1) {
      const timeout = AbortSignal.timeout(HEAD_MS);
      const limit = AbortSignal.any([timeout, ...(signal === undefined ? [] : [signal])]);
      const { request, response } = await endpoint
        .send(options.method, path, headers, limit)
        .catch((error: unknown) => {
          if (timeout.aborted && signal?.aborted !== true) throw noHead(doing, endpoint.name);
          throw error;
        });
      const location = response.headers.location;
      if (response.statusCode === 302 && location !== undefined && hop < MOST_HOPS) {
        request.destroy();
        endpoint.close();
        ({ endpoint, path } = redirected(session, location, task, doing));
        continue;
      }
      if (response.statusCode !== 200) {
        request.destroy();
        // The task knows the reason, if the request came as far as to it.
        await followTask(session, task, {
          doing,
          stallMs: REASON_MS,
          ...(signal === undefined ? {} : { signal }),
        }).catch((error: unknown) => {
          if (!(error instanceof AppError && error.code === "host.timeout")) throw error;
        });
        throw new AppError(
          "unprocessable",
          "host.refused",
          `${doing}: ${endpoint.name} answers with HTTP ${response.statusCode ?? 0}.`,
          { hint: "The account may lack the right to move disks (role VM Power Admin or higher)." },
        );
      }
      detach(request, response, signal);
      const { name } = endpoint;
      const used = endpoint;
      return {
        request,
        response,
        task,
        name,
        close: () => {
          request.destroy();
          used.close();
        },
      };
    }
  } catch (error) {
    endpoint.close();
    await destroyTask(session, task);
    signal?.throwIfAborted();
    throw asAppError(error, doing);
  }
}

/** Only the caller's signal still ends it. */
function detach(request: ClientRequest, response: IncomingMessage, signal: AbortSignal | undefined): void {
  const abort = (): void => {
    response.destroy();
    request.destroy();
  };
  signal?.addEventListener("abort", abort, { once: true });
  request.once("close", () => signal?.removeEventListener("abort", abort));
}

function noHead(doing: string, name: string): AppError {
  return new AppError("unavailable", "host.timeout", `${doing}: ${name} was not ready within ${HEAD_MS / 1000} s.`, {
    hint: "The storage repository may hang; look at it on that member.",
  });
}

/** The session's id goes only to members that the pool named itself, under the certificate that it named. */
function redirected(
  session: XapiSession,
  location: string,
  task: string,
  doing: string,
): { endpoint: Endpoint; path: string } {
  let url: URL;
  try {
    url = new URL(location);
  } catch (cause) {
    throw new AppError("unprocessable", "host.protocol", `${doing}: ${session.name} redirects to nowhere.`, { cause });
  }
  const address = url.hostname.replace(/^\[|\]$/g, "");
  if (url.protocol !== "https:" || !session.isMember(address)) {
    throw new AppError(
      "unprocessable",
      "host.redirect-refused",
      `${doing}: ${session.name} redirects to ${address}, which is not a member of the pool that answers by HTTPS.`,
      { hint: "Nothing was sent there." },
    );
  }
  const query = url.searchParams;
  query.set("session_id", session.id);
  query.set("task_id", task);
  const endpoint = new Endpoint(session.memberOf(address, url.port === "" ? 443 : Number(url.port)));
  return { endpoint, path: `${url.pathname}?${query.toString()}` };
}
