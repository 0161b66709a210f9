"use client";

import { useQuery } from "@tanstack/react-query";
import { may } from "#lib/domain/role.ts";
import { sessionQueries } from "#lib/http/queries/session.ts";
import { PageHeader } from "#components/ui/PageHeader.tsx";
import { ImageTable } from "./ImageTable.tsx";
import { ImportFolderDialog } from "./ImportFolderDialog.tsx";
import { ImportUrlDialog } from "./ImportUrlDialog.tsx";
import { LibraryCheckCard } from "./LibraryCheckCard.tsx";
import { UploadZone } from "./UploadZone.tsx";

/** The library: every image with its newest version, and the ways in. */
export function ImageLibrary() {
  const session = useQuery(sessionQueries.current());
  const role = session.data?.user.role;
  const reason = role === undefined || may(role, "image.add") ? null : "Your role may not add images.";
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
