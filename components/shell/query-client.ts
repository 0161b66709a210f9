import { QueryClient } from "@tanstack/react-query";
import { AppError } from "#lib/errors.ts";

/** Answers stay good until the event stream says otherwise; only a peer that cannot be reached is asked again. */
export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5 * 60_000,
        refetchOnWindowFocus: false,
        retry: (count, error) => count < 2 && error instanceof AppError && error.kind === "unavailable",
      },
      mutations: { retry: false },
    },
  });
}
