/** /transfers: a disk in any format for whoever holds the token: a hypervisor that pulls, curl, a browser. */
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { DISK_FORMATS } from "#lib/domain/disk-format.ts";
import { NewTransfer, Transfer } from "#lib/domain/transfer.ts";
import { answerWithFile } from "#lib/serve/http-file.ts";
import { STILL_ALIVE_EVERY_MS } from "#lib/auth/sessions.ts";
import { Offers, type Offer } from "#lib/serve/offers.ts";
import type { Services } from "#lib/services/context.ts";
import { listOwnTransfers, offerDisk, revokeTransfers, withdrawTransfer } from "#lib/services/transfer/transfers.ts";
import { answers, answers201, answers204, body, refused } from "./answers.ts";
import { addressOfClient } from "#lib/edge/admit.ts";
import type { Api } from "./types.ts";

const tags = ["Transfers"];
const file = z.object({ id: z.uuid(), name: z.string().max(512) });
const routes = {
  list: createRoute({
    method: "get",
    path: "/transfers",
    tags,
    summary: "Your own transfers that have not ended",
    responses: answers(z.object({ items: z.array(Transfer) }), "The transfers"),
  }),
  offer: createRoute({
    method: "post",
    path: "/transfers",
    tags,
    summary: "Give a disk out in another format",
    description: `Nothing is converted beforehand: the file is made while it is read. Formats: ${DISK_FORMATS.join(", ")}.`,
    request: { body: body(NewTransfer) },
    responses: answers201(
      z.object({ transfer: Transfer, token: z.string() }),
      "The transfer; its token is shown once and ends when the whole file was delivered",
    ),
  }),
  withdraw: createRoute({
    method: "delete",
    path: "/transfers/{id}",
    tags,
    summary: "End a transfer; what is under way is cut off",
    request: { params: z.object({ id: z.uuid() }) },
    responses: answers204("Ended"),
  }),
  file: createRoute({
    method: "get",
    path: "/transfers/{id}/{name}",
    tags,
    security: [],
    summary: "The file itself",
    description: "HEAD, one Range, If-Range and If-None-Match are understood. The transfer's token is the only key.",
    request: { params: file, query: z.object({ token: z.string().max(200).optional() }) },
    responses: { 200: { description: "The bytes" }, 206: { description: "The range" }, default: refused },
  }),
};

const BASE = "/api/v1/transfers";
const FILE_PATH = new RegExp(`^${BASE}/[^/]+/[^/]+$`);

/** Nobody signs in for these: the token says it all. */
export function isTransferFile(method: string, path: string): boolean {
  return (method === "GET" || method === "HEAD") && FILE_PATH.test(path);
}

function present(offer: Offer): Transfer {
  const { name, length } = offer.file;
  return {
    id: offer.id,
    fileName: name,
    format: Transfer.shape.format.parse(name.slice(name.lastIndexOf(".") + 1)),
    length,
    // For programs that name a file after its address. A percent sign of the name's own could be decoded twice.
    path: `${BASE}/${offer.id}/${encodeURIComponent(name.replaceAll("%", "_"))}`,
    delivered: offer.delivered,
    expiresAt: offer.expiresAt.toISOString(),
  };
}

export function registerTransferRoutes(api: Api, services: Services): void {
  const offers = new Offers();
  const look = (): void => {
    revokeTransfers(services.db, offers).catch((error: unknown) =>
      // Nothing is known to have ended; the next look asks again.
      services.log.warn({ err: error }, "the owners of open transfers could not be checked"),
    );
  };
  setInterval(look, STILL_ALIVE_EVERY_MS).unref();
  api.openapi(routes.list, async (c) =>
    c.json({ items: (await listOwnTransfers(c.get("ctx"), offers)).map(present) }, 200),
  );
  api.openapi(routes.offer, async (c) => {
    const { offer, token } = await offerDisk(c.get("ctx"), offers, c.req.valid("json"));
    return c.json({ transfer: present(offer), token }, 201);
  });
  api.openapi(routes.withdraw, async (c) => {
    await withdrawTransfer(c.get("ctx"), offers, c.req.valid("param").id);
    return c.body(null, 204);
  });
  api.openapi(routes.file, async (c) => {
    const { incoming, outgoing } = c.env;
    const bearer = /^Bearer (svx_\S+)$/.exec(incoming.headers.authorization ?? "")?.[1];
    await revokeTransfers(services.db, offers);
    const taken = offers.take(
      c.req.valid("param").id,
      bearer ?? c.req.valid("query").token ?? "",
      addressOfClient(incoming),
    );
    const { offer } = taken;
    outgoing.setHeader("Content-Disposition", `attachment; filename*=UTF-8''${encodeURIComponent(offer.file.name)}`);
    let sent = 0;
    try {
      if (incoming.method === "GET") await taken.begin();
      sent = await answerWithFile(incoming, outgoing, offer.file, offer.etag, taken.stop);
    } catch (error) {
      services.log.error({ err: error, transfer: offer.id }, "a disk could not be given out");
      outgoing.destroy();
    } finally {
      taken.delivered(sent);
    }
    return RESPONSE_ALREADY_SENT;
  });
}
