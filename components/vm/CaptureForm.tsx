"use client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useState, type ReactNode } from "react";
import { Button } from "#components/ui/Button.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { RadioGroup } from "#components/ui/RadioGroup.tsx";
import { Select } from "#components/ui/Select.tsx";
import { toastDone } from "#components/ui/Toaster.tsx";
import { CONTAINER_LABEL, type ContainerKind } from "#lib/domain/container.ts";
import type { VmRow } from "#lib/domain/host.ts";
import { ImageName } from "#lib/domain/image.ts";
import { api } from "#lib/http/client.ts";
import { imageQueries, ImageStarted } from "#lib/http/queries/image.ts";
import { CaptureDisks } from "./CaptureDisks.tsx";

/** `initial`: ids of the disks that are chosen at first. `packages`: those that the host makes of this VM itself. */
export function CaptureForm({
  vm,
  initial,
  packages,
  onDone,
}: {
  vm: VmRow;
  initial: readonly string[];
  packages: readonly ContainerKind[];
  onDone: () => void;
}): ReactNode {
  const router = useRouter();
  const client = useQueryClient();
  const [chosen, setChosen] = useState(initial);
  const [as, setAs] = useState<"disks" | ContainerKind>("disks");
  const [into, setInto] = useState<"new" | "version">("new");
  const [name, setName] = useState(vm.name);
  const [imageId, setImageId] = useState<string | null>(null);
  const images = useQuery({ ...imageQueries.some("", 200), enabled: into === "version" });
  const words =
    as !== "disks"
      ? `Capture as ${CONTAINER_LABEL[as]}`
      : `Capture ${chosen.length === 1 ? "one disk" : `${chosen.length} disks`}`;
  const named = ImageName.safeParse(name);
  const ready = (as !== "disks" || chosen.length > 0) && (into === "new" ? named.success : imageId !== null);

  const capture = useMutation({
    mutationFn: () =>
      api.post("/images/capture", ImageStarted, {
        hostId: vm.hostId,
        vmRef: vm.ref,
        ...(as === "disks" ? { diskIds: chosen } : { package: as }),
        ...(into === "new" ? { name: name.trim() } : { imageId }),
      }),
    onSuccess: async ({ image }) => {
      toastDone(`Capturing ${vm.name} into ${image.name}.`);
      onDone();
      router.push(`/images/${image.id}`);
      await client.invalidateQueries({ queryKey: imageQueries.all });
    },
  });
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) capture.mutate();
      }}
    >
      {packages.length === 0 ? null : (
        <RadioGroup
          label="What is kept?"
          value={as}
          onChange={setAs}
          options={[
            { value: "disks", label: "Its disks", hint: "A qcow2 file for each, read and checked by Supravisor." },
            ...packages.map((kind) => ({
              value: kind,
              label: `The whole machine as ${CONTAINER_LABEL[kind]}`,
              hint: "One file with all disks and the description of the hardware, as its host exports it.",
            })),
          ]}
        />
      )}
      {as === "disks" ? <CaptureDisks vm={vm} chosen={chosen} onChange={setChosen} /> : null}
      <RadioGroup
        label="Where does it go?"
        value={into}
        onChange={setInto}
        options={[
          { value: "new", label: "A new image" },
          { value: "version", label: "A new version of an image" },
        ]}
      />
      {into === "new" ? (
        <Field label="Name of the image" error={named.success ? undefined : named.error.issues[0]?.message}>
          <Input value={name} onChange={(event) => setName(event.target.value)} autoComplete="off" />
        </Field>
      ) : (
        <Field label="Image">
          <Select
            value={imageId}
            onChange={setImageId}
            placeholder={images.isPending ? "Reading images…" : "Choose an image"}
            options={(images.data?.items ?? []).map((image) => ({
              value: image.id,
              label: image.name,
              hint: `${image.versionCount} ${image.versionCount === 1 ? "version" : "versions"}`,
            }))}
          />
        </Field>
      )}
      {capture.error ? <ErrorNotice error={capture.error} /> : null}
      <div className="flex justify-end gap-2">
        <Button onClick={onDone}>Cancel</Button>
        <Button type="submit" variant="primary" busy={capture.isPending} disabled={!ready}>
          {capture.isPending ? "Asking for the capture…" : words}
        </Button>
      </div>
    </form>
  );
}
