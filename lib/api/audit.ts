import { createRoute } from "@hono/zod-openapi";
import { stream } from "hono/streaming";
import { z } from "zod";
import { AuditEntry } from "#lib/domain/audit.ts";
import { pageOf } from "#lib/domain/page.ts";
import { presentAudit } from "#lib/presenters/audit.ts";
import { authorise } from "#lib/services/authorise.ts";
import { checkAudit, exportAudit, listAudit } from "#lib/services/audit/audit.ts";
import { answers, paging } from "./answers.ts";
import { AUDIT_COLUMNS, auditCsvLine } from "./audit-csv.ts";
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
const Verdict = z.object({
  ok: z.boolean(),
  entries: z.number().int(),
  head: z.string(),
  firstBad: z.number().int().nullable(),
});

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
    summary: "Walk the hash chain from its beginning",
    responses: answers(Verdict, "Whether every entry fits; `head` is the newest hash"),
  }),
  export: createRoute({
    method: "get",
    path: "/audit/export",
    tags,
    summary: "Everything that fits, as a file",
    request: { query: z.object({ ...filter, format: z.enum(["csv", "json"]) }) },
    responses: { 200: { description: "CSV (RFC 4180) or a JSON array" } },
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
    await authorise(ctx, "audit.read");
    const day = new Date().toISOString().slice(0, 10);
    c.header("Content-Type", format === "csv" ? "text/csv; charset=utf-8" : "application/json; charset=utf-8");
    c.header("Content-Disposition", `attachment; filename="supravisor-audit-${day}.${format}"`);
    return stream(c, async (out) => {
      await out.write(format === "csv" ? `${AUDIT_COLUMNS.join(",")}\r\n` : "[");
      let first = true;
      for await (const row of exportAudit(ctx, rest)) {
        if (out.aborted) return;
        const entry = presentAudit(row);
        await out.write(format === "csv" ? auditCsvLine(entry) : `${first ? "" : ","}\n${JSON.stringify(entry)}`);
        first = false;
      }
      if (format === "json") await out.write("\n]\n");
    });
  });
}
