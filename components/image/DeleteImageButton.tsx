"use client";

import { useRouter } from "next/navigation";
import { useQueryClient } from "@tanstack/react-query";
import type { ImageDetail } from "#lib/domain/image.ts";
import { api } from "#lib/http/client.ts";
import { imageQueries } from "#lib/http/queries/image.ts";
import { ConfirmButton } from "#components/ui/ConfirmButton.tsx";

export function DeleteImageButton({ image, reason }: { readonly image: ImageDetail; readonly reason: string | null }) {
  const router = useRouter();
  const client = useQueryClient();
  return (
    <ConfirmButton
      label="Delete"
      variant="danger"
      title={`Delete the image ${image.name}?`}
      confirm="Delete image"
      danger
      typedName={image.name}
      reason={reason}
      onConfirm={async () => {
        await api.delete(`/images/${image.id}`);
        client.removeQueries({ queryKey: imageQueries.detail(image.id).queryKey });
        await client.invalidateQueries({ queryKey: imageQueries.all });
        router.push("/images");
      }}
    >
      {image.versions.every((version) => version.source.kind === "linked")
        ? "Only this entry of the library is removed: the disks stay on their host as they are."
        : `All ${image.versions.length} of its versions and their files are removed from the library.`}{" "}
      VMs made from it stay as they are.
    </ConfirmButton>
  );
}
