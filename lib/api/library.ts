import { createRoute } from "@hono/zod-openapi";
import { LibraryCheck } from "#lib/domain/library-check.ts";
import { readLibraryCheck, runLibraryCheck } from "#lib/services/library/check-library.ts";
import { answers } from "./answers.ts";
import type { Api } from "./types.ts";

const tags = ["Library"];
const routes = {
  read: createRoute({
    method: "get",
    path: "/library/check",
    tags,
    summary: "Whether the library's files and the database agree",
    description: "What the last comparison has found. It is made once a day.",
    responses: answers(LibraryCheck, "The findings; none: they agree"),
  }),
  run: createRoute({
    method: "post",
    path: "/library/check",
    tags,
    summary: "Compare the library's files with the database now",
    description: "Only looks: nothing is removed or mended.",
    responses: answers(LibraryCheck, "The findings; none: they agree"),
  }),
};

export function registerLibraryRoutes(api: Api): void {
  api.openapi(routes.read, async (c) => c.json(await readLibraryCheck(c.get("ctx")), 200));
  api.openapi(routes.run, async (c) => c.json(await runLibraryCheck(c.get("ctx")), 200));
}
