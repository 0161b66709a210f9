"use client";

import { useState } from "react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ImageName, type ImageDetail } from "#lib/domain/image.ts";
import { api, Nothing } from "#lib/http/client.ts";
import { imageQueries } from "#lib/http/queries/image.ts";
import { Button } from "#components/ui/Button.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { Textarea } from "#components/ui/Textarea.tsx";

export function EditImageDialog({ image, reason }: { readonly image: ImageDetail; readonly reason: string | null }) {
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  const [name, setName] = useState(image.name);
  const [description, setDescription] = useState(image.description);
  const checked = ImageName.safeParse(name);
  const save = useMutation({
    mutationFn: () => api.patch(`/images/${image.id}`, Nothing, { name, description }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: imageQueries.all });
      setOpen(false);
    },
  });
  return (
    <>
      <Button
        reason={reason}
        onClick={() => {
          setName(image.name);
          setDescription(image.description);
          setOpen(true);
        }}
      >
        Edit
      </Button>
      <Dialog
        open={open}
        onOpenChange={setOpen}
        size="sm"
        title={`Edit ${image.name}`}
        footer={
          <>
            <Button onClick={() => setOpen(false)}>Back</Button>
            <Button variant="primary" disabled={!checked.success} busy={save.isPending} onClick={() => save.mutate()}>
              Save
            </Button>
          </>
        }
      >
        <div className="space-y-3">
          <Field label="Name" error={checked.success ? undefined : checked.error.issues[0]?.message}>
            <Input value={name} maxLength={120} onChange={(event) => setName(event.target.value)} />
          </Field>
          <Field label="Description" required={false}>
            <Textarea
              rows={4}
              maxLength={4000}
              value={description}
              onChange={(event) => setDescription(event.target.value)}
            />
          </Field>
          {save.isError ? <ErrorNotice error={save.error} /> : null}
        </div>
      </Dialog>
    </>
  );
}
