"use client";

import { useMutation } from "@tanstack/react-query";
import { FileOutput } from "lucide-react";
import { z } from "zod";
import { DISK_FORMAT_LABEL, DISK_FORMATS, type DiskFormatId } from "#lib/domain/disk-format.ts";
import { Transfer } from "#lib/domain/transfer.ts";
import { api } from "#lib/http/client.ts";
import { useMayReason } from "#components/session/session-context.ts";
import { Button } from "#components/ui/Button.tsx";
import { DropdownMenu, MenuItem } from "#components/ui/DropdownMenu.tsx";
import { toastError } from "#components/ui/Toaster.tsx";

const Offered = z.object({ transfer: Transfer, token: z.string() });

/** The disk in another format, converted while the browser loads it. */
export function DownloadAs({
  imageId,
  versionId,
  diskId,
}: {
  readonly imageId: string;
  readonly versionId: string;
  readonly diskId: string;
}) {
  const reason = useMayReason("image.download");
  const offer = useMutation({
    mutationFn: (format: DiskFormatId) => api.post("/transfers", Offered, { imageId, versionId, diskId, format }),
    onSuccess: ({ transfer, token }) => {
      const link = document.createElement("a");
      link.href = `${transfer.path}?token=${encodeURIComponent(token)}`;
      link.download = transfer.fileName;
      link.click();
    },
    onError: (error) => toastError(error),
  });
  const button = (
    <Button size="sm" disabled={offer.isPending} reason={reason}>
      <FileOutput aria-hidden /> Download as…
    </Button>
  );
  if (reason !== null) return button;
  return (
    <DropdownMenu align="start" trigger={button}>
      {DISK_FORMATS.map((format) => (
        <MenuItem key={format} onSelect={() => offer.mutate(format)}>
          {DISK_FORMAT_LABEL[format]}
        </MenuItem>
      ))}
    </DropdownMenu>
  );
}
