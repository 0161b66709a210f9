import { queryOptions } from "@tanstack/react-query";
import { z } from "zod";
import { ApiToken, BrowserSession, User } from "#lib/domain/user.ts";
import { api } from "#lib/http/client.ts";

/** Lists of people and tokens are short; both the bare list and a page of it are understood. */
const items = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item) });

export const userQueries = {
  all: ["users"] as const,
  list: () =>
    queryOptions({
      queryKey: ["users", "list"],
      queryFn: async ({ signal }) => (await api.get("/users", items(User), { limit: 200 }, signal)).items,
    }),
  sessions: (id: string) =>
    queryOptions({
      queryKey: ["users", "sessions", id],
      queryFn: async ({ signal }) => (await api.get(`/users/${id}/sessions`, items(BrowserSession), {}, signal)).items,
    }),
  tokens: (id: string) =>
    queryOptions({
      queryKey: ["users", "tokens", id],
      queryFn: async ({ signal }) => (await api.get(`/users/${id}/tokens`, items(ApiToken), {}, signal)).items,
    }),
};

export const tokenQueries = {
  all: ["tokens"] as const,
  /** One's own. */
  list: () =>
    queryOptions({
      queryKey: ["tokens", "list"],
      queryFn: async ({ signal }) => (await api.get("/tokens", items(ApiToken), {}, signal)).items,
    }),
};
