"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { deployable, type Image, type ImageVersion } from "#lib/domain/image.ts";
import { DISK_FORMAT_LABEL } from "#lib/domain/disk-format.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { imageQueries } from "#lib/http/queries/image.ts";
import { Button } from "#components/ui/Button.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Field } from "#components/ui/Field.tsx";
import { Select } from "#components/ui/Select.tsx";
import { AllocationStrip } from "#components/image/AllocationStrip.tsx";
import { PartitionBar } from "#components/image/PartitionBar.tsx";
import { LinkedVersionFacts } from "./LinkedVersionFacts.tsx";
import { bootsWith } from "#components/image/boots-with.ts";

interface ImagePanelProps {
  readonly imageId: string | null;
  readonly versionId: string | null;
  readonly onPick: (imageId: string, versionId: string) => void;
}

const ready = (image: Image) => deployable(image.latest);

/** The left of the deploy page: which image, which version, and what it is. */
export function ImagePanel({ imageId, versionId, onPick }: ImagePanelProps) {
  const images = useQuery(imageQueries.some("", 200));
  const detail = useQuery({ ...imageQueries.detail(imageId ?? ""), enabled: imageId !== null });
  if (images.isError) return <ErrorNotice error={images.error} onRetry={() => void images.refetch()} />;
  if (images.isPending) return <p className="text-sm text-ink-3">Reading the library…</p>;
  const choices = images.data.items.filter(ready);
  if (choices.length === 0) {
    return (
      <EmptyState
        title="No image is ready yet"
        actions={
          <Button asChild>
            <Link href="/images">Go to Images</Link>
          </Button>
        }
      >
        Upload, import or capture one first; it can be deployed as soon as it is analysed.
      </EmptyState>
    );
  }
  const versions = detail.data?.versions.filter(deployable) ?? [];
  const version = versions.find((v) => v.id === versionId) ?? null;
  return (
    <div className="space-y-3">
      <Field label="Image">
        {(c) => (
          <Select
            {...c}
            value={imageId}
            placeholder="Pick an image"
            onChange={(id) => {
              const image = choices.find((choice) => choice.id === id);
              if (image !== undefined) onPick(image.id, image.latest.id);
            }}
            options={choices.map((image) => ({ value: image.id, label: image.name }))}
          />
        )}
      </Field>
      {imageId !== null && versions.length > 0 ? (
        <Field label="Version">
          {(c) => (
            <Select
              {...c}
              value={versionId}
              onChange={(id) => onPick(imageId, id)}
              options={versions.map((v) => ({ value: v.id, label: `Version ${v.number}` }))}
            />
          )}
        </Field>
      ) : null}
      {detail.isError ? <ErrorNotice error={detail.error} /> : null}
      {version === null ? null : <VersionFacts version={version} />}
    </div>
  );
}

function VersionFacts({ version }: { readonly version: ImageVersion }) {
  if (version.source.kind === "linked") return <LinkedVersionFacts version={version} source={version.source} />;
  return (
    <div className="space-y-4">
      {version.disks
        .flatMap((disk) => (disk.linked ? [] : disk))
        .map((disk) => (
          <div key={disk.id} className="space-y-3">
            <dl className="grid grid-cols-[auto_1fr] gap-x-3 gap-y-1 text-sm">
              <dt className="text-ink-3">Format</dt>
              <dd>
                {DISK_FORMAT_LABEL[disk.format]} ({disk.variant})
              </dd>
              <dt className="text-ink-3">Size</dt>
              <dd className="tabular-nums">
                {formatBytes(disk.virtualSize)}, {formatBytes(disk.storedSize)} stored
              </dd>
              <dt className="text-ink-3">Boots with</dt>
              <dd>{bootsWith(disk.guest)}</dd>
              <dt className="text-ink-3">Guest</dt>
              <dd>{disk.guest.os?.name ?? "unknown"}</dd>
            </dl>
            <PartitionBar guest={disk.guest} size={disk.virtualSize} />
            <AllocationStrip map={disk.allocation} size={disk.virtualSize} />
          </div>
        ))}
    </div>
  );
}
