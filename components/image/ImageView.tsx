"use client";

import { useMemo } from "react";
import Link from "next/link";
import { useQuery } from "@tanstack/react-query";
import { parseAsString, useQueryState } from "nuqs";
import { deployable, type ImageDetail, type ImageVersion } from "#lib/domain/image.ts";
import { may } from "#lib/domain/role.ts";
import { imageQueries } from "#lib/http/queries/image.ts";
import { jobQueries } from "#lib/http/queries/job.ts";
import { sessionQueries } from "#lib/http/queries/session.ts";
import { Button } from "#components/ui/Button.tsx";
import { Card } from "#components/ui/Card.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { PageHeader } from "#components/ui/PageHeader.tsx";
import { Select } from "#components/ui/Select.tsx";
import { JobProgress } from "#components/job/JobProgress.tsx";
import { StageList } from "#components/job/StageList.tsx";
import { DeleteImageButton } from "./DeleteImageButton.tsx";
import { DiskFacts } from "./DiskFacts.tsx";
import { EditImageDialog } from "./EditImageDialog.tsx";
import { ImageStateMark } from "./ImageStateMark.tsx";
import { ImportFolderDialog } from "./ImportFolderDialog.tsx";
import { LinkedDiskFacts } from "./LinkedDiskFacts.tsx";
import { ImportUrlDialog } from "./ImportUrlDialog.tsx";
import { ChooseMachine } from "./ChooseMachine.tsx";
import { TreatAsRawButton } from "./TreatAsRawButton.tsx";
import { UploadZone } from "./UploadZone.tsx";
import { VersionFaults } from "./VersionFaults.tsx";
import { VersionTable } from "./VersionTable.tsx";

/** One image: its newest version's disks, all of its versions, and the ways to a new one. */
export function ImageView({ id }: { readonly id: string }) {
  const image = useQuery(imageQueries.detail(id));
  const session = useQuery(sessionQueries.current());
  if (image.isError) return <ErrorNotice error={image.error} onRetry={() => void image.refetch()} />;
  if (image.isPending) return <p className="text-ink-3">Reading the image…</p>;
  const role = session.data?.user.role;
  return (
    <Loaded
      image={image.data}
      mayAdd={role !== undefined && may(role, "image.add")}
      mayEdit={role !== undefined && may(role, "image.edit")}
      mayRemove={role !== undefined && may(role, "image.remove")}
    />
  );
}

interface LoadedProps {
  readonly image: ImageDetail;
  readonly mayAdd: boolean;
  readonly mayEdit: boolean;
  readonly mayRemove: boolean;
}

function Loaded({ image, mayAdd, mayEdit, mayRemove }: LoadedProps) {
  const [versionId, setVersionId] = useQueryState("version", parseAsString);
  const version = useMemo(() => image.versions.find((v) => v.id === versionId) ?? image.latest, [image, versionId]);
  const addReason = mayAdd ? null : "Your role may not add images.";
  return (
    <div className="space-y-4">
      <PageHeader
        title={image.name}
        subtitle={image.description === "" ? `Added by ${image.createdBy}` : image.description}
        actions={
          <>
            {deployable(version) ? (
              <Button asChild variant="primary">
                <Link href={`/deploy?image=${image.id}&version=${version.id}`}>Deploy</Link>
              </Button>
            ) : null}
            <EditImageDialog image={image} reason={mayEdit ? null : "Your role may not edit images."} />
            <DeleteImageButton image={image} reason={mayRemove ? null : "Only administrators may delete images."} />
          </>
        }
      />
      <div className="flex flex-wrap items-center gap-3">
        <div className="w-44">
          <Select
            aria-label="Version"
            value={version.id}
            onChange={(next) => void setVersionId(next)}
            options={image.versions.map((v) => ({ value: v.id, label: `Version ${v.number}` }))}
          />
        </div>
        <ImageStateMark version={version} />
      </div>
      <VersionBody image={image} version={version} mayEdit={mayEdit} />
      <Card title="Versions" flush>
        <VersionTable image={image} mayRemove={mayRemove} />
      </Card>
      <Card title="New version">
        <div className="space-y-3">
          <UploadZone imageId={image.id} reason={addReason} />
          <div className="flex flex-wrap gap-2">
            <ImportFolderDialog imageId={image.id} reason={addReason} />
            <ImportUrlDialog imageId={image.id} reason={addReason} />
          </div>
        </div>
      </Card>
    </div>
  );
}

function VersionBody({
  image,
  version,
  mayEdit,
}: {
  readonly image: ImageDetail;
  readonly version: ImageVersion;
  readonly mayEdit: boolean;
}) {
  const working = version.state === "receiving" || version.state === "analysing";
  return (
    <>
      {working && version.jobId !== null ? <VersionJob jobId={version.jobId} /> : null}
      {version.error === null ? null : (
        <div className="space-y-2">
          <ErrorNotice error={version.error} title={`Version ${version.number} cannot be used`} />
          {version.error.code === "image.unknown-format" ? (
            <TreatAsRawButton
              imageId={image.id}
              versionId={version.id}
              reason={mayEdit ? null : "Your role may not edit images."}
            />
          ) : null}
          {version.error.code === "image.machine-unsaid" ? (
            <ChooseMachine
              imageId={image.id}
              versionId={version.id}
              machines={version.error.details?.["machines"]}
              reason={mayEdit ? null : "Your role may not edit images."}
            />
          ) : null}
        </div>
      )}
      {version.faults.length > 0 ? <VersionFaults version={version} /> : null}
      {version.disks.map((disk) => (
        <Card key={disk.id} title={version.disks.length === 1 ? "Disk" : `Disk ${disk.position + 1}`}>
          {!disk.linked ? (
            <DiskFacts imageId={image.id} versionId={version.id} disk={disk} />
          ) : version.source.kind === "linked" ? (
            <LinkedDiskFacts disk={disk} source={version.source} />
          ) : null}
        </Card>
      ))}
    </>
  );
}

function VersionJob({ jobId }: { readonly jobId: string }) {
  const job = useQuery(jobQueries.detail(jobId));
  if (!job.data) return null;
  const running = job.data.stages.find((stage) => stage.state === "running");
  return (
    <Card title={job.data.title}>
      <div className="space-y-3">
        <StageList stages={job.data.stages} />
        {job.data.progress !== null && job.data.progress.total > 0 ? (
          <JobProgress progress={job.data.progress} label={running?.label ?? job.data.title} />
        ) : null}
      </div>
    </Card>
  );
}
