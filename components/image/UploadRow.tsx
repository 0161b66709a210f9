"use client";

import Link from "next/link";
import { Pause, Play, X } from "lucide-react";
import { formatBytesOf, formatPercent } from "#lib/format/bytes.ts";
import { IconButton } from "#components/ui/IconButton.tsx";
import { Progress } from "#components/ui/Progress.tsx";
import { StateMark, type StateKind } from "#components/ui/StateMark.tsx";
import { dropUpload, pauseUpload, resumeUpload, type UploadState } from "./useUploads.ts";

const LOOK: Record<UploadState["state"], { state: StateKind; word: string }> = {
  sending: { state: "busy", word: "uploading" },
  paused: { state: "paused", word: "paused" },
  failed: { state: "bad", word: "failed" },
  done: { state: "done", word: "uploaded" },
};

export function UploadRow({ upload }: { readonly upload: UploadState }) {
  const { state, word } = LOOK[upload.state];
  return (
    <li className="flex flex-wrap items-center gap-x-3 gap-y-1 px-3 py-2">
      <div className="min-w-40 flex-1 space-y-1">
        <div className="flex items-center gap-2">
          <span className="min-w-0 truncate font-medium">{upload.fileName}</span>
          <StateMark state={state} className="text-xs">
            {word}
          </StateMark>
        </div>
        <Progress
          value={upload.size === 0 ? 1 : upload.sent / upload.size}
          label={`Uploading ${upload.fileName}`}
          tone={upload.state === "done" ? "ok" : upload.state === "failed" ? "bad" : "accent"}
        />
        <p className="text-xs text-ink-3">
          {formatBytesOf(upload.sent, upload.size)}, {formatPercent(upload.sent, upload.size)}
        </p>
        {upload.error === null ? null : (
          <p role="alert" className="text-xs text-bad">
            {upload.error}
          </p>
        )}
      </div>
      {upload.imageId === null ? null : (
        <Link
          className="font-medium text-accent-ink underline-offset-2 hover:underline"
          href={`/images/${upload.imageId}`}
        >
          Open image
        </Link>
      )}
      {upload.state === "sending" ? (
        <IconButton label={`Pause ${upload.fileName}`} size="sm" onClick={() => pauseUpload(upload.key)}>
          <Pause aria-hidden />
        </IconButton>
      ) : null}
      {upload.state === "paused" || upload.state === "failed" ? (
        <IconButton label={`Go on with ${upload.fileName}`} size="sm" onClick={() => resumeUpload(upload.key)}>
          <Play aria-hidden />
        </IconButton>
      ) : null}
      <IconButton
        label={upload.state === "done" ? `Hide ${upload.fileName}` : `Give up ${upload.fileName}`}
        size="sm"
        onClick={() => void dropUpload(upload.key)}
      >
        <X aria-hidden />
      </IconButton>
    </li>
  );
}
