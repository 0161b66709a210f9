"use client";

import { useQueryClient } from "@tanstack/react-query";
import { api, Nothing } from "#lib/http/client.ts";
import { imageQueries } from "#lib/http/queries/image.ts";
import { ConfirmButton } from "#components/ui/ConfirmButton.tsx";

/** Raw has no mark of its own and is never guessed: a person says it. */
export function TreatAsRawButton({
  imageId,
  versionId,
  reason,
}: {
  readonly imageId: string;
  readonly versionId: string;
  readonly reason: string | null;
}) {
  const client = useQueryClient();
  return (
    <ConfirmButton
      label="It is a raw image"
      title="Read this file as a raw disk?"
      confirm="Read it as raw"
      reason={reason}
      onConfirm={async () => {
        await api.patch(`/images/${imageId}/versions/${versionId}`, Nothing, { from: "raw" });
        await client.invalidateQueries({ queryKey: imageQueries.all });
      }}
    >
      Every byte of the file becomes a byte of the disk. If it is in truth an image of another kind, the guest will not
      boot.
    </ConfirmButton>
  );
}
