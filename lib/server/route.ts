/** Which part of the server answers a request. Every one is admitted first: all parts see the same path and the same client. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { errorAnswer } from "#lib/api/errors.ts";
import { identify } from "#lib/api/guard.ts";
import type { AuthSettings } from "#lib/auth/authenticate.ts";
import { admitter, type Admitted, type EdgeSettings } from "#lib/edge/admit.ts";
import { AppError } from "#lib/errors.ts";
import type { UploadHandler } from "#lib/library/uploads.ts";
import type { Services } from "#lib/services/context.ts";
import { cutSlowBody, cutUnreadBody } from "./bodies.ts";
import { DATA_POLICY, pagePolicy, setCommonHeaders } from "./headers.ts";

export interface Routes {
  readonly services: Services;
  readonly settings: AuthSettings;
  readonly edge: EdgeSettings;
  readonly secure: boolean;
  readonly dev: boolean;
  readonly api: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  readonly uploads: UploadHandler;
  readonly pages: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  /** For the whole body of a request that is no upload; tests shorten it. */
  readonly bodyMs?: number;
}

const API = "/api/v1";
const UPLOADS = `${API}/uploads`;
/** Sign-in forms are the largest that pages take. */
const MOST_PAGE_BODY = 64 * 1024;
const BODY_MS = 30_000;
const IDLE_ANSWER_MS = 10 * 60_000;

const current = new AsyncLocalStorage<Admitted>();

/** The client of the request that is being answered, for code that Next calls. */
export function clientOfCurrentRequest(): Admitted | null {
  return current.getStore() ?? null;
}

const under = (path: string, base: string): boolean => path === base || path.startsWith(`${base}/`);

export function createRouter(routes: Routes): RequestListener {
  const { services, secure } = routes;
  const admit = admitter(routes.edge);
  return (request, response) => {
    setCommonHeaders(response, secure);
    cutUnreadBody(request, response);
    let admitted: Admitted;
    try {
      admitted = admit(request);
    } catch (error) {
      response.setHeader("Content-Security-Policy", DATA_POLICY);
      sendError(services, response, error, "not admitted");
      return;
    }
    const { path } = admitted;
    const isUpload = under(path, UPLOADS);
    if (!isUpload || request.method !== "PATCH") cutSlowBody(request, response, routes.bodyMs ?? BODY_MS);
    current.run(admitted, () => {
      const work = isUpload
        ? answerUpload(routes, request, response)
        : under(path, API)
          ? answerApi(routes, request, response)
          : answerPage(routes, request, response, admitted);
      work.catch((error: unknown) => {
        sendError(services, response, error, path);
      });
    });
  };
}

function sendError({ log }: Services, response: ServerResponse, thrown: unknown, path: string): void {
  const { status, headers, body } = errorAnswer(thrown, log, { path });
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response
    .writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store", ...headers })
    .end(JSON.stringify(body));
}

async function answerApi(routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader("Content-Security-Policy", DATA_POLICY);
  // Downloads may take days, and event streams last as long as the session; a reader that takes nothing is gone.
  if (request.method === "GET" || request.method === "HEAD")
    response.setTimeout(IDLE_ANSWER_MS, () => response.destroy());
  await routes.api(request, response);
}

/** Image files go by here and not through the API: no body limit, no copying. Who asks is settled before a byte is read. */
async function answerUpload(routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader("Content-Security-Policy", DATA_POLICY);
  try {
    const ctx = await identify(routes.services, routes.settings, request);
    await routes.uploads(request, response, ctx);
  } catch (error) {
    sendError(routes.services, response, error, UPLOADS);
  }
}

async function answerPage(
  routes: Routes,
  request: IncomingMessage,
  response: ServerResponse,
  { path, address, host, protocol }: Admitted,
): Promise<void> {
  const policy = pagePolicy(routes.dev);
  response.setHeader("Content-Security-Policy", policy.csp);
  if (
    request.headers["transfer-encoding"] !== undefined ||
    Number(request.headers["content-length"] ?? 0) > MOST_PAGE_BODY
  ) {
    const error = new AppError(
      "invalid",
      "request.too-large",
      "Pages take forms of at most 64 KiB that say how long they are.",
    );
    sendError(routes.services, response, error, path);
    return;
  }
  // What came under these names was dropped when the request was admitted.
  Object.assign(request.headers, {
    "content-security-policy": policy.csp,
    "x-forwarded-for": address ?? "",
    "x-forwarded-host": host,
    "x-forwarded-proto": protocol,
    "x-forwarded-port": /:(\d+)$/.exec(host)?.[1] ?? (protocol === "https" ? "443" : "80"),
  });
  await routes.pages(request, response);
}
