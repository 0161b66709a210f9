"use client";

import { useState } from "react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { toast } from "sonner";
import { ImportFromUrl } from "#lib/domain/image.ts";
import { api } from "#lib/http/client.ts";
import { imageQueries, ImageStarted } from "#lib/http/queries/image.ts";
import { Button } from "#components/ui/Button.tsx";
import { Checkbox } from "#components/ui/Checkbox.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";

/** Fetches an image from a web address; its SHA-256 is checked before anything looks at it. */
export function ImportUrlDialog({
  imageId,
  reason,
}: {
  readonly imageId: string | null;
  readonly reason: string | null;
}) {
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  const [url, setUrl] = useState("");
  const [sha256, setSha256] = useState("");
  const [raw, setRaw] = useState(false);
  const body = { imageId, url: url.trim(), sha256: sha256.trim(), from: raw ? ("raw" as const) : null };
  const checked = ImportFromUrl.safeParse(body);
  const wrong = (field: string) =>
    checked.success ? undefined : checked.error.issues.find((issue) => issue.path[0] === field)?.message;
  const start = useMutation({
    mutationFn: () => api.post("/images/import-url", ImageStarted, body),
    onSuccess: async ({ image }) => {
      await client.invalidateQueries({ queryKey: imageQueries.all });
      setOpen(false);
      toast.success(`${image.name} is being fetched.`);
    },
  });
  return (
    <>
      <Button reason={reason} onClick={() => setOpen(true)}>
        From a URL
      </Button>
      <Dialog
        open={open}
        onOpenChange={setOpen}
        title="Import from a URL"
        description="The server fetches the file. Private networks have to be listed in Settings."
        footer={
          <>
            <Button onClick={() => setOpen(false)}>Back</Button>
            <Button variant="primary" disabled={!checked.success} busy={start.isPending} onClick={() => start.mutate()}>
              Fetch
            </Button>
          </>
        }
      >
        <div className="space-y-3">
          <Field label="URL" hint="http or https" error={url === "" ? undefined : wrong("url")}>
            {(c) => <Input {...c} type="url" value={url} onChange={(event) => setUrl(event.target.value)} />}
          </Field>
          <Field
            label="SHA-256 of the file"
            hint="64 hex digits, as the publisher names it"
            error={sha256 === "" ? undefined : wrong("sha256") && "64 hex digits are needed"}
          >
            {(c) => (
              <Input
                {...c}
                className="font-mono"
                spellCheck={false}
                value={sha256}
                onChange={(event) => setSha256(event.target.value)}
              />
            )}
          </Field>
          <Checkbox checked={raw} onChange={setRaw} label="It is a raw image" />
          {start.isError ? <ErrorNotice error={start.error} /> : null}
        </div>
      </Dialog>
    </>
  );
}
