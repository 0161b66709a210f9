/**
 * Resumable uploads by tus 1.0.0 (https://tus.io/protocols/resumable-upload) on plain node:http: the bytes go from
 * the socket to the file with nothing between. Extensions: creation, termination.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { AppError } from "#lib/errors.ts";
import { authorise, authoriseLook } from "#lib/services/authorise.ts";
import type { Credential, Ctx, Services } from "#lib/services/context.ts";
import { appendBody, wrongOffset } from "./uploads/append-body.ts";
import { finishUpload } from "./uploads/finish-upload.ts";
import { parseMetadata } from "./uploads/metadata.ts";
import { requireRoomToGoOn } from "./uploads/reservation.ts";
import {
  beginUpload,
  endUpload,
  findUpload,
  MAX_UPLOAD,
  receivedBytes,
  unfinishedUploads,
  type UploadRow,
} from "./uploads/upload-record.ts";
import { uploadPath } from "./uploads/upload-path.ts";

const BASE = "/api/v1/uploads";
const VERSION = "1.0.0";

export type UploadHandler = (request: IncomingMessage, response: ServerResponse, ctx: Ctx) => Promise<void>;

interface Receiving {
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

export interface UploadRights {
  /** Whether the session or token that began a request still counts. */
  readonly counts: (credential: Credential) => Promise<boolean>;
  /** Between two looks, while bytes come. */
  readonly everyMs: number;
}

/** Answers everything under /api/v1/uploads. Throws AppError before anything was answered; the caller words it. */
export function createUploadHandler(services: Services, rights: UploadRights): UploadHandler {
  const receiving = new Map<string, Receiving>();
  return async (request, response, ctx) => {
    response.setHeader("Tus-Resumable", VERSION);
    response.setHeader("Cache-Control", "no-store");
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    const id = path === BASE || path === `${BASE}/` ? null : path.slice(BASE.length + 1);
    if (request.method === "OPTIONS") return describe(response);
    if (request.method === "GET" || request.method === "HEAD") await authoriseLook(ctx, "image.add");
    else
      await authorise(ctx, "image.add", { action: request.method === "DELETE" ? "upload.given-up" : "upload.begun" });
    if (request.method === "GET" && id === null) return list(ctx, response);
    requireVersion(request, response);
    if (request.method === "POST" && id === null) return create(ctx, request, response);
    if (id !== null && request.method === "HEAD") return head(services, ctx, id, response);
    if (id !== null && request.method === "PATCH")
      return append(services, ctx, id, request, response, { receiving, rights });
    if (id !== null && request.method === "DELETE") {
      await findUpload(ctx, id);
      await takeOver(receiving, id);
      await endUpload(ctx, id);
      response.writeHead(204).end();
      return;
    }
    throw new AppError("not-found", "api.no-route", `There is no ${request.method ?? ""} ${path}.`);
  };
}

function describe(response: ServerResponse): void {
  response
    .writeHead(204, {
      "Tus-Version": VERSION,
      "Tus-Extension": "creation,termination",
      "Tus-Max-Size": String(MAX_UPLOAD),
    })
    .end();
}

function requireVersion(request: IncomingMessage, response: ServerResponse): void {
  if (request.headers["tus-resumable"] === VERSION) return;
  response.setHeader("Tus-Version", VERSION);
  throw new AppError("invalid", "upload.bad-version", `Uploads speak tus ${VERSION}.`, {
    hint: `Send the header Tus-Resumable: ${VERSION}.`,
  });
}

async function list(ctx: Ctx, response: ServerResponse): Promise<void> {
  const items = (await unfinishedUploads(ctx)).map(({ row, offset }) => ({
    id: row.id,
    fileName: row.fileName,
    size: row.size,
    offset,
    createdAt: row.createdAt.toISOString(),
  }));
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify({ items }));
}

/** Header with a number of bytes. Throws `upload.bad-header`. */
function bytesOf(request: IncomingMessage, header: string): number {
  const text = request.headers[header.toLowerCase()];
  const value = typeof text === "string" && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) {
    throw new AppError("invalid", "upload.bad-header", `The header ${header} is missing or no number of bytes.`);
  }
  return value;
}

async function create(ctx: Ctx, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const aim = parseMetadata(request.headers["upload-metadata"] as string | undefined);
  const row = await beginUpload(ctx, aim, bytesOf(request, "Upload-Length"));
  response.writeHead(201, { Location: `${BASE}/${row.id}`, "Upload-Offset": "0" }).end();
}

async function head(services: Services, ctx: Ctx, id: string, response: ServerResponse): Promise<void> {
  const row = await findUpload(ctx, id);
  const offset = await offsetOf(services, row);
  // The server may have gone between the last byte and the version: asking again is what heals it.
  if (offset === row.size) await finish(services, ctx, row, response);
  const name = Buffer.from(row.fileName).toString("base64");
  response
    .writeHead(200, {
      "Upload-Offset": String(offset),
      "Upload-Length": String(row.size),
      "Upload-Metadata": `filename ${name}`,
    })
    .end();
}

/** A filed upload's bytes are in the library, all of them. */
async function offsetOf(services: Services, row: UploadRow): Promise<number> {
  return row.state === "filed" ? row.size : receivedBytes(services, row.id);
}

async function finish(services: Services, ctx: Ctx, row: UploadRow, response: ServerResponse): Promise<void> {
  const imageId = await finishUpload(services, ctx.actor, row.id);
  if (imageId !== null) response.setHeader("Supravisor-Image", imageId);
}

async function append(
  services: Services,
  ctx: Ctx,
  id: string,
  request: IncomingMessage,
  response: ServerResponse,
  { receiving, rights }: { receiving: Map<string, Receiving>; rights: UploadRights },
): Promise<void> {
  if (request.headers["content-type"] !== "application/offset+octet-stream") {
    throw new AppError("invalid", "upload.bad-header", "The body must be of type application/offset+octet-stream.");
  }
  const from = bytesOf(request, "Upload-Offset");
  const row = await findUpload(ctx, id);
  // Of two senders the newer one counts: the older hangs on a connection that its client has given up.
  await takeOver(receiving, id);
  const stop = new AbortController();
  let ended: () => void = () => undefined;
  const mine = { stop, done: new Promise<void>((resolve) => (ended = resolve)) };
  receiving.set(id, mine);
  const watch = watchCredential(services, ctx, rights, stop);
  try {
    const there = await offsetOf(services, row);
    if (from !== there) throw wrongOffset(there, from);
    if (row.state !== "filed") await requireRoomToGoOn(ctx, row);
    const now =
      row.state === "filed"
        ? there
        : await appendBody(request, uploadPath(services.dataDir, id), from, row.size, stop.signal);
    if (now === row.size) await finish(services, ctx, row, response);
    response.writeHead(204, { "Upload-Offset": String(now) }).end();
  } finally {
    clearInterval(watch);
    if (receiving.get(id) === mine) receiving.delete(id);
    ended();
  }
}

/** A request of many hours does not outlive what allowed it; what came stays, and whoever signs in again goes on. */
function watchCredential(
  { log }: Services,
  { actor: { credential } }: Ctx,
  { counts, everyMs }: UploadRights,
  stop: AbortController,
): NodeJS.Timeout | undefined {
  if (credential === undefined) return undefined;
  const look = async (): Promise<void> => {
    try {
      if (await counts(credential)) return;
    } catch (error) {
      // Nothing is known to have ended; the next look asks again.
      log.warn({ err: error }, "it could not be checked who sends an upload");
      return;
    }
    stop.abort(
      new AppError(
        "unauthenticated",
        "auth.required",
        "What the upload was begun with has ended: it stands where it is.",
        {
          hint: "Sign in again, and go on with the upload.",
        },
      ),
    );
  };
  return setInterval(() => void look(), everyMs).unref();
}

async function takeOver(receiving: Map<string, Receiving>, id: string): Promise<void> {
  for (let other = receiving.get(id); other !== undefined; other = receiving.get(id)) {
    other.stop.abort();
    await other.done;
  }
}
