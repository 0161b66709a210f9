"use client";

import { useState } from "react";
import { File as FileIcon, Folder } from "lucide-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { toast } from "sonner";
import type { FolderEntry } from "#lib/domain/image.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { api } from "#lib/http/client.ts";
import { imageQueries, ImageStarted } from "#lib/http/queries/image.ts";
import { Button } from "#components/ui/Button.tsx";
import { Checkbox } from "#components/ui/Checkbox.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";

const lastPart = (path: string): string => path.split(/[/\\]/).findLast((part) => part !== "") ?? path;

/** Takes an image from a folder on the server that an administrator allowed in Settings. */
export function ImportFolderDialog({
  imageId,
  reason,
}: {
  readonly imageId: string | null;
  readonly reason: string | null;
}) {
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  const [path, setPath] = useState("");
  const [chosen, setChosen] = useState<FolderEntry | null>(null);
  const [raw, setRaw] = useState(false);
  const entries = useQuery({ ...imageQueries.folder(path), enabled: open });
  const start = useMutation({
    mutationFn: (entry: FolderEntry) =>
      api.post("/images/import-folder", ImageStarted, {
        imageId,
        path: entry.path,
        from: raw && !entry.directory ? "raw" : null,
      }),
    onSuccess: async ({ image }) => {
      await client.invalidateQueries({ queryKey: imageQueries.all });
      setOpen(false);
      toast.success(`${image.name} is being imported.`);
    },
  });
  const enter = (to: string): void => {
    setPath(to);
    setChosen(null);
  };
  return (
    <>
      <Button reason={reason} onClick={() => setOpen(true)}>
        From a folder
      </Button>
      <Dialog
        open={open}
        onOpenChange={setOpen}
        title="Import from a folder on the server"
        description="Folders are allowed by an administrator in Settings. The file, or the machine in the folder, is copied; the original stays as it is."
        footer={
          <>
            <Button onClick={() => setOpen(false)}>Back</Button>
            <Button
              variant="primary"
              disabled={chosen === null}
              busy={start.isPending}
              onClick={() => chosen !== null && start.mutate(chosen)}
            >
              Import {chosen?.name ?? ""}
            </Button>
          </>
        }
      >
        <div className="space-y-3">
          <div className="flex items-center gap-2">
            <code className="min-w-0 flex-1 truncate">{path === "" ? "Allowed folders" : path}</code>
            {path === "" ? null : (
              <>
                <Button
                  size="sm"
                  aria-pressed={chosen?.path === path}
                  onClick={() => setChosen({ name: lastPart(path), path, directory: true, size: null })}
                >
                  Machine in this folder
                </Button>
                <Button size="sm" onClick={() => enter("")}>
                  All folders
                </Button>
              </>
            )}
          </div>
          {entries.isError ? <ErrorNotice error={entries.error} /> : null}
          {entries.isPending ? <p className="text-ink-3">Reading the folder…</p> : null}
          {entries.data?.length === 0 ? (
            <EmptyState title="Nothing here">
              {path === ""
                ? "No folder is allowed yet, or none of them is there: an administrator adds one in Settings."
                : "This folder has no files."}
            </EmptyState>
          ) : null}
          <ul className="max-h-72 divide-y overflow-y-auto rounded-md border" aria-label="Files">
            {(entries.data ?? []).map((entry) => (
              <li key={entry.path}>
                <button
                  type="button"
                  aria-pressed={entry.directory ? undefined : chosen?.path === entry.path}
                  onClick={() => (entry.directory ? enter(entry.path) : setChosen(entry))}
                  className="flex w-full items-center gap-2 px-3 py-1.5 text-left outline-offset-[-2px] hover:bg-hover aria-pressed:bg-accent-weak"
                >
                  {entry.directory ? (
                    <Folder aria-hidden className="size-4 text-ink-3" />
                  ) : (
                    <FileIcon aria-hidden className="size-4 text-ink-3" />
                  )}
                  <span className="min-w-0 flex-1 truncate">{path === "" ? entry.path : entry.name}</span>
                  <span className="text-xs text-ink-3">{entry.size === null ? "" : formatBytes(entry.size)}</span>
                </button>
              </li>
            ))}
          </ul>
          <Checkbox checked={raw} onChange={setRaw} label="It is a raw image" disabled={chosen?.directory === true} />
          {start.isError ? <ErrorNotice error={start.error} /> : null}
        </div>
      </Dialog>
    </>
  );
}
