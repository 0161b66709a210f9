import { queryOptions } from "@tanstack/react-query";
import { z } from "zod";
import { api, SESSION_PATH } from "#lib/http/client.ts";
import { BrowserSession, Session } from "#lib/domain/user.ts";

export const sessionQueries = {
  all: ["session"] as const,
  current: () =>
    queryOptions({
      queryKey: ["session", "current"],
      queryFn: ({ signal }) => api.get(SESSION_PATH, Session, {}, signal),
      retry: false,
    }),
  /** One's own, in all browsers. */
  list: () =>
    queryOptions({
      queryKey: ["session", "list"],
      queryFn: async ({ signal }) =>
        (await api.get("/sessions", z.object({ items: z.array(BrowserSession) }), {}, signal)).items,
    }),
  /** Public: does the first administrator still have to be made? */
  setup: () =>
    queryOptions({
      queryKey: ["session", "setup"],
      queryFn: ({ signal }) => api.get("/setup", z.object({ needed: z.boolean() }), {}, signal),
    }),
};
