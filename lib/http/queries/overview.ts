import { queryOptions } from "@tanstack/react-query";
import { Overview } from "#lib/domain/overview.ts";
import { api } from "#lib/http/client.ts";

export const overviewQueries = {
  all: ["overview"] as const,
  summary: () =>
    queryOptions({
      queryKey: ["overview", "summary"],
      queryFn: ({ signal }) => api.get("/overview", Overview, {}, signal),
    }),
};
