"use client";
import { useMutation, useQueryClient, type UseMutationResult } from "@tanstack/react-query";
import type { z } from "zod";
import { User, type UserChange } from "#lib/domain/user.ts";
import { api } from "#lib/http/client.ts";
import { sessionQueries } from "#lib/http/queries/session.ts";
import { userQueries } from "#lib/http/queries/user.ts";

/** Changes a person; one's own name and role are read anew with it. */
export function useChangeUser(
  id: string,
  onDone: (user: User) => void,
): UseMutationResult<User, Error, z.infer<typeof UserChange>> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (change: z.infer<typeof UserChange>) => api.patch(`/users/${id}`, User, change),
    onSuccess: async (user) => {
      onDone(user);
      await Promise.all(
        [userQueries.all, sessionQueries.current().queryKey].map((queryKey) => client.invalidateQueries({ queryKey })),
      );
    },
  });
}
