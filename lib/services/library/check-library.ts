import { appendAudit } from "#lib/audit/append.ts";
import type { LibraryCheck } from "#lib/domain/library-check.ts";
import { checkLibrary, readCheck } from "#lib/library/check/findings.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";

/** What the last comparison of library and database has found. */
export async function readLibraryCheck(ctx: Ctx): Promise<LibraryCheck> {
  await authorise(ctx, "image.read");
  return readCheck(ctx.db);
}

/** Compares them now. Nothing is removed or mended. Throws `library.foreign`. */
export async function runLibraryCheck(ctx: Ctx): Promise<LibraryCheck> {
  await authorise(ctx, "library.check");
  await checkLibrary(ctx);
  const check = await readCheck(ctx.db);
  await ctx.db.transaction((tx) =>
    appendAudit(tx, ctx.actor, {
      action: "library.checked",
      subject: { kind: "library", id: null, name: "Image library" },
      details: { versions: check.versions, files: check.files, findings: check.findings.length },
    }),
  );
  ctx.events.publish({ type: "library" });
  ctx.events.publish({ type: "audit" });
  return check;
}
