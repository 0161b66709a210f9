import { queryOptions } from "@tanstack/react-query";
import { z } from "zod";
import { SettingsView } from "#lib/domain/settings.ts";
import { api } from "#lib/http/client.ts";

export const Health = z.object({
  status: z.string(),
  version: z.string(),
  database: z.object({ driver: z.string(), ok: z.boolean() }),
  workers: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      heartbeatAt: z.string(),
      alive: z.boolean(),
      note: z.string().nullable(),
    }),
  ),
  notes: z.array(z.string()),
});
export type Health = z.infer<typeof Health>;

export const settingsQueries = {
  all: ["settings"] as const,
  current: () =>
    queryOptions({
      queryKey: ["settings", "current"],
      queryFn: ({ signal }) => api.get("/settings", SettingsView, {}, signal),
    }),
  health: () =>
    queryOptions({
      queryKey: ["settings", "health"],
      queryFn: ({ signal }) => api.get("/health", Health, {}, signal),
    }),
};
