"use client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import type { VmRow } from "#lib/domain/host.ts";
import { api } from "#lib/http/client.ts";
import { imageQueries, ImageLinked } from "#lib/http/queries/image.ts";

/** Makes disks of the VM an image that stays where it is, and goes to the deploy page with it. */
export function useLinkVm(vm: VmRow) {
  const router = useRouter();
  const client = useQueryClient();
  return useMutation({
    mutationFn: (diskIds: readonly string[]) =>
      api.post("/images/link", ImageLinked, { hostId: vm.hostId, vmRef: vm.ref, diskIds }),
    onSuccess: async ({ image, versionId }) => {
      await client.invalidateQueries({ queryKey: imageQueries.all });
      router.push(`/deploy?image=${image.id}&version=${versionId}`);
    },
  });
}
