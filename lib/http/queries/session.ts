import { queryOptions } from "@tanstack/react-query";
import { z } from "zod";
import { api } from "#lib/http/client.ts";
import { Session } from "#lib/domain/user.ts";

export const sessionQueries = {
  all: ["session"] as const,
  current: () =>
    queryOptions({
      queryKey: ["session", "current"],
      queryFn: ({ signal }) => api.get("/session", Session, {}, signal),
      retry: false,
    }),
  /** Public: does the first administrator still have to be made? */
  setup: () =>
    queryOptions({
      queryKey: ["session", "setup"],
      queryFn: ({ signal }) => api.get("/setup", z.object({ needed: z.boolean() }), {}, signal),
    }),
};
