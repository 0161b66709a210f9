"use client";

import { useSyncExternalStore } from "react";
import { defaultOptions, Upload, type PreviousUpload } from "tus-js-client";
import { randomUuid } from "#components/ui/random-uuid.ts";
import { planUploads, setOf, type PlannedUpload } from "./plan-uploads.ts";

/** One file on its way to the library, as the page shows it. */
export interface UploadState {
  readonly key: string;
  readonly fileName: string;
  readonly size: number;
  readonly sent: number;
  readonly state: "sending" | "paused" | "failed" | "done";
  readonly error: string | null;
  readonly imageId: string | null;
}

const ENDPOINT = "/api/v1/uploads";
const CHUNK = 32 * 1024 * 1024;

/** Uploads outlive the page that began them as long as the tab is open; after a reload the browser finds them again by the file. */
const uploads = new Map<string, { state: UploadState; task: Upload }>();
const listeners = new Set<() => void>();
let snapshot: readonly UploadState[] = [];

function change(key: string, part: Partial<UploadState>): void {
  const entry = uploads.get(key);
  if (entry === undefined) return;
  entry.state = { ...entry.state, ...part };
  publish();
}

function publish(): void {
  snapshot = [...uploads.values()].map((entry) => entry.state);
  for (const listener of listeners) listener();
}

/** tus answers a refusal with our own error body; its message is for people. */
function wordsOf(error: Error): string {
  const body =
    "originalResponse" in error ? (error.originalResponse as { getBody(): string } | null)?.getBody() : undefined;
  if (body) {
    try {
      const parsed = JSON.parse(body) as { error?: { message?: string; hint?: string } };
      if (parsed.error?.message) return [parsed.error.message, parsed.error.hint].filter(Boolean).join(" ");
    } catch {
      return body.slice(0, 300);
    }
  }
  return "The connection to the server was lost.";
}

export interface UploadAim {
  /** A new version of this image; null: a new image. */
  readonly imageId: string | null;
  /** Format that the person said; null: told by content. */
  readonly from: string | null;
  /** Several files make one disk. */
  readonly together: boolean;
}

function aimOf(aim: UploadAim): Record<string, string> {
  return {
    ...(aim.imageId === null ? {} : { imageId: aim.imageId }),
    ...(aim.from === null ? {} : { from: aim.from }),
  };
}

const remembered = (): Promise<readonly PreviousUpload[]> => defaultOptions.urlStorage.findAllUploads();

/** The set is an image: none of its files is to be gone on with when it is chosen another time. */
async function forgetSet(id: string): Promise<void> {
  for (const upload of await remembered()) {
    if (setOf(upload)?.id === id) await defaultOptions.urlStorage.removeUpload(upload.urlStorageKey);
  }
}

/** The same files for the same aim: what was sent before a reload is not sent again, and a set stays one. */
export async function startUploads(files: readonly File[], aim: UploadAim): Promise<void> {
  const asked = files.map((file) => new Upload(file, { endpoint: ENDPOINT }));
  const plan = planUploads(
    {
      begun: await Promise.all(asked.map((upload) => upload.findPreviousUploads())),
      remembered: await remembered(),
      aim: aimOf(aim),
      together: aim.together,
    },
    randomUuid,
  );
  for (const [index, file] of files.entries()) {
    const planned = plan[index];
    if (planned !== undefined) start(file, aimOf(aim), planned);
  }
}

function start(file: File, aim: Record<string, string>, { resume, set }: PlannedUpload): void {
  const key = randomUuid();
  const inSet: Record<string, string> = set === null ? {} : { set: set.id, setSize: String(set.size) };
  const task = new Upload(file, {
    endpoint: ENDPOINT,
    metadata: { filename: file.name, ...aim, ...inSet },
    chunkSize: CHUNK,
    retryDelays: [0, 1000, 3000, 5000, 10_000, 20_000],
    storeFingerprintForResuming: true,
    // A whole file whose set is not: after a reload it has to be found again.
    removeFingerprintOnSuccess: set === null,
    onProgress: (sent) => change(key, { sent, state: "sending" }),
    onAfterResponse: (_request, response) => {
      const imageId = response.getHeader("Supravisor-Image");
      if (imageId) change(key, { imageId });
      if (imageId && set !== null) void forgetSet(set.id);
    },
    onError: (error) => change(key, { state: "failed", error: wordsOf(error) }),
    onSuccess: () => change(key, { state: "done", sent: file.size }),
  });
  uploads.set(key, {
    task,
    state: { key, fileName: file.name, size: file.size, sent: 0, state: "sending", error: null, imageId: null },
  });
  publish();
  if (resume !== null) task.resumeFromPreviousUpload(resume);
  task.start();
}

export function pauseUpload(key: string): void {
  void uploads.get(key)?.task.abort(false);
  change(key, { state: "paused" });
}

export function resumeUpload(key: string): void {
  change(key, { state: "sending", error: null });
  uploads.get(key)?.task.start();
}

/** Gives the upload up; the server removes what it has of it. */
export async function dropUpload(key: string): Promise<void> {
  const entry = uploads.get(key);
  uploads.delete(key);
  publish();
  if (entry !== undefined && entry.state.state !== "done") await entry.task.abort(true).catch(() => undefined);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const none: readonly UploadState[] = [];

export function useUploads(): readonly UploadState[] {
  return useSyncExternalStore(
    subscribe,
    () => snapshot,
    () => none,
  );
}
