"use client";

import { useRef, useState, type DragEvent } from "react";
import { useQuery } from "@tanstack/react-query";
import { UploadCloud } from "lucide-react";
import { formatBytesOf } from "#lib/format/bytes.ts";
import { imageQueries } from "#lib/http/queries/image.ts";
import { Button } from "#components/ui/Button.tsx";
import { Checkbox } from "#components/ui/Checkbox.tsx";
import { cn } from "#components/ui/cn.ts";
import { UploadRow } from "./UploadRow.tsx";
import { startUploads, useUploads } from "./useUploads.ts";

interface UploadZoneProps {
  /** A new version of this image; null: a new image, named after the file. */
  readonly imageId: string | null;
  /** Why this person cannot upload, or null. */
  readonly reason: string | null;
}

/** Drop disk images here, or choose them. Several files dropped together can be one disk (a descriptor and its extents). */
export function UploadZone({ imageId, reason }: UploadZoneProps) {
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const [raw, setRaw] = useState(false);
  const [together, setTogether] = useState(true);
  const uploads = useUploads();
  // Who may not upload has none, and asking would be refused.
  const unfinished = useQuery({ ...imageQueries.uploads(), enabled: reason === null });
  const waiting = (unfinished.data ?? []).filter(
    (old) => !uploads.some((upload) => upload.fileName === old.fileName && upload.size === old.size),
  );

  const take = (files: readonly File[]): void => {
    if (reason !== null || files.length === 0) return;
    void startUploads(files, { imageId, from: raw ? "raw" : null, together });
  };
  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    take([...event.dataTransfer.files]);
  };

  return (
    <div className="space-y-3">
      <div
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={onDrop}
        className={cn(
          "flex flex-col items-center gap-2 rounded-lg border border-dashed border-line-strong bg-surface px-4 py-6 text-center",
          over && "border-accent bg-accent-weak",
        )}
      >
        <UploadCloud aria-hidden className="size-6 text-ink-3" />
        <p className="font-medium">Drop disk images here</p>
        <p className="max-w-lg text-ink-2">
          QCOW2, VMDK, VHD, VHDX, VDI, QED, Parallels HDD and packages of whole machines (OVA, OVF, XVA) are told by
          their content. Uploads go on after a reload: choose the same file again.
        </p>
        <div className="flex flex-wrap items-center justify-center gap-x-4 gap-y-2 pt-1">
          <Button variant="primary" reason={reason} onClick={() => input.current?.click()}>
            Choose files
          </Button>
          <Checkbox checked={raw} onChange={setRaw} label="They are raw images" />
          <Checkbox checked={together} onChange={setTogether} label="Several files belong together" />
        </div>
        <input
          ref={input}
          type="file"
          multiple
          aria-label="Disk image files"
          className="sr-only"
          tabIndex={-1}
          onChange={(event) => {
            take([...(event.target.files ?? [])]);
            event.target.value = "";
          }}
        />
      </div>
      {uploads.length === 0 ? null : (
        <ul aria-label="Uploads" className="divide-y rounded-lg border bg-surface">
          {uploads.map((upload) => (
            <UploadRow key={upload.key} upload={upload} />
          ))}
        </ul>
      )}
      {waiting.length === 0 ? null : (
        <div className="rounded-lg border bg-surface p-3">
          <p className="font-medium">Begun and not finished</p>
          <ul className="mt-1 space-y-0.5 text-ink-2">
            {waiting.map((upload) => (
              <li key={upload.id}>
                {upload.fileName}:{" "}
                {upload.offset === upload.size
                  ? "all of it is here; it waits for the other files of its disk."
                  : `${formatBytesOf(upload.offset, upload.size)} are here. Choose the file again to go on.`}
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}
