import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { Settings, SettingsView } from "#lib/domain/settings.ts";
import { changeSettings, readSettings } from "#lib/services/settings/settings.ts";
import { answers, body } from "./answers.ts";
import type { Api } from "./types.ts";

const tags = ["Settings"];
/** Without the defaults: what is not named stays as it is. What is not known is refused: it would seem to be set. */
const Change = z.strictObject({
  waiveApproval: z.boolean().optional(),
  importFolders: z.array(z.string().startsWith("/").max(4096)).max(32).optional(),
  importNetworks: Settings.shape.importNetworks.removeDefault().optional(),
});
const routes = {
  read: createRoute({
    method: "get",
    path: "/settings",
    tags,
    summary: "The settings",
    responses: answers(SettingsView, "The settings, and notices on folders that cannot be imported from as they are"),
  }),
  change: createRoute({
    method: "patch",
    path: "/settings",
    tags,
    summary: "Change settings; what is not named stays",
    request: { body: body(Change) },
    responses: answers(SettingsView, "The settings, and notices on folders that cannot be imported from as they are"),
  }),
};

export function registerSettingsRoutes(api: Api): void {
  api.openapi(routes.read, async (c) => c.json(await readSettings(c.get("ctx")), 200));
  api.openapi(routes.change, async (c) => {
    const { waiveApproval, importFolders, importNetworks } = c.req.valid("json");
    const change: Partial<Settings> = {
      ...(waiveApproval === undefined ? {} : { waiveApproval }),
      ...(importFolders === undefined ? {} : { importFolders }),
      ...(importNetworks === undefined ? {} : { importNetworks }),
    };
    return c.json(await changeSettings(c.get("ctx"), change), 200);
  });
}
