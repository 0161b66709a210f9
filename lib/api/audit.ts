import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { AuditEntry, AuditVerdict } from "#lib/domain/audit.ts";
import { pageOf } from "#lib/domain/page.ts";
import { presentAudit } from "#lib/presenters/audit.ts";
import { checkAudit, exportAudit, listAudit, signedHead } from "#lib/services/audit/audit.ts";
import { answers, paging, refused } from "./answers.ts";
import { auditFile } from "./audit-export.ts";
import { streamed } from "./streamed.ts";
import type { Api } from "./types.ts";

const tags = ["Audit"];
const moment = z
  .string()
  .max(40)
  .refine((text) => !Number.isNaN(Date.parse(text)), "A date or time in ISO 8601")
  .transform((text) => new Date(text))
  .optional();
const word = z.string().max(200).optional();
const filter = {
  actor: word,
  action: word,
  subjectKind: word,
  subjectId: word,
  result: z.enum(["ok", "refused", "failed"]).optional(),
  from: moment,
  to: moment,
  q: word,
};
const routes = {
  list: createRoute({
    method: "get",
    path: "/audit",
    tags,
    summary: "The audit trail, newest first",
    request: { query: z.object({ ...filter, ...paging(500, 100) }) },
    responses: answers(pageOf(AuditEntry), "A page of entries"),
  }),
  verify: createRoute({
    method: "get",
    path: "/audit/verify",
    tags,
    summary: "Walk the whole chain from its beginning",
    description: "Hashes, MACs and the heads that are kept outside the database. The verification itself is an entry.",
    responses: answers(AuditVerdict, "Whether every entry fits; `head` is the newest hash"),
  }),
  export: createRoute({
    method: "get",
    path: "/audit/export",
    tags,
    summary: "Everything that fits, as a file, the oldest first",
    description:
      "The file ends with a record that says `complete`, with the number of entries, the last hash and a signed head. One without that record broke off. The export itself is an entry.",
    request: { query: z.object({ ...filter, format: z.enum(["csv", "json"]) }) },
    responses: { 200: { description: "CSV (RFC 4180) or a JSON object" }, default: refused },
  }),
};

export function registerAuditRoutes(api: Api): void {
  api.openapi(routes.list, async (c) => {
    const { cursor, limit, ...rest } = c.req.valid("query");
    const page = await listAudit(c.get("ctx"), rest, { cursor, limit });
    return c.json({ items: page.rows.map(presentAudit), next: page.next, total: page.total }, 200);
  });
  api.openapi(routes.verify, async (c) => c.json(await checkAudit(c.get("ctx")), 200));
  api.openapi(routes.export, async (c) => {
    const ctx = c.get("ctx");
    const { format, ...rest } = c.req.valid("query");
    // Refused before the first byte: once a stream has begun its status cannot change.
    const rows = await exportAudit(ctx, rest, format);
    const day = new Date().toISOString().slice(0, 10);
    const pieces = auditFile(format, presented(rows), (end) => signedHead(ctx, end));
    return c.body(streamed(c, ctx.log, { pieces }), 200, {
      "Content-Type": format === "csv" ? "text/csv; charset=utf-8" : "application/json; charset=utf-8",
      "Content-Disposition": `attachment; filename="supravisor-audit-${day}.${format}"`,
    });
  });
}

async function* presented(rows: AsyncIterable<Parameters<typeof presentAudit>[0]>): AsyncGenerator<AuditEntry> {
  for await (const row of rows) yield presentAudit(row);
}
