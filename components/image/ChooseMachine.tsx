"use client";

import { useQueryClient } from "@tanstack/react-query";
import { z } from "zod";
import { api, Nothing } from "#lib/http/client.ts";
import { imageQueries } from "#lib/http/queries/image.ts";
import { ConfirmButton } from "#components/ui/ConfirmButton.tsx";

const Names = z.array(z.string()).catch([]);

/** A package of several machines: an image is one of them, and a person says which. */
export function ChooseMachine({
  imageId,
  versionId,
  machines,
  reason,
}: {
  readonly imageId: string;
  readonly versionId: string;
  /** Names, as the error of the version tells them. */
  readonly machines: unknown;
  readonly reason: string | null;
}) {
  const client = useQueryClient();
  return (
    <div className="flex flex-wrap gap-2">
      {Names.parse(machines).map((name, i) => (
        <ConfirmButton
          key={`${i} ${name}`}
          label={`Read ${name}`}
          title={`Read ${name} from this package?`}
          confirm="Read this machine"
          reason={reason}
          onConfirm={async () => {
            // By its place: two machines may bear one name.
            const machine = `#${i + 1}`;
            await api.patch(`/images/${imageId}/versions/${versionId}`, Nothing, { from: null, machine });
            await client.invalidateQueries({ queryKey: imageQueries.all });
          }}
        >
          The image holds the disks and the hardware of this machine alone. For the others, add the package once more.
        </ConfirmButton>
      ))}
    </div>
  );
}
