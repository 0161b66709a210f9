"use client";

import { useMayReason } from "#components/session/session-context.ts";
import { PageHeader } from "#components/ui/PageHeader.tsx";
import { ImageTable } from "./ImageTable.tsx";
import { ImportFolderDialog } from "./ImportFolderDialog.tsx";
import { ImportUrlDialog } from "./ImportUrlDialog.tsx";
import { LibraryCheckCard } from "./LibraryCheckCard.tsx";
import { UploadZone } from "./UploadZone.tsx";

/** The library: every image with its newest version, and the ways in. */
export function ImageLibrary() {
  const reason = useMayReason("image.add");
  return (
    <div className="space-y-4">
      <PageHeader
        title="Images"
        subtitle="Golden images in versions, each with its fingerprint"
        actions={
          <>
            <ImportFolderDialog imageId={null} reason={reason} />
            <ImportUrlDialog imageId={null} reason={reason} />
          </>
        }
      />
      <UploadZone imageId={null} reason={reason} />
      <ImageTable />
      <LibraryCheckCard />
    </div>
  );
}
