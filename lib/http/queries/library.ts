import { queryOptions } from "@tanstack/react-query";
import { LibraryCheck } from "#lib/domain/library-check.ts";
import { api } from "#lib/http/client.ts";

export const libraryQueries = {
  all: ["library"] as const,
  check: () =>
    queryOptions({
      queryKey: ["library", "check"],
      queryFn: ({ signal }) => api.get("/library/check", LibraryCheck, {}, signal),
    }),
};
