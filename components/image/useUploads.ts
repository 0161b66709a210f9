"use client";

import { useSyncExternalStore } from "react";
import { Upload, type PreviousUpload } from "tus-js-client";

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

export interface UploadAim {
  readonly imageId: string | null;
  readonly name: string | null;
  /** Format that the person said; null: told by content. */
  readonly from: string | null;
  /** Files that make one disk together share a set. */
  readonly set: { readonly id: string; readonly size: number } | null;
}

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

/** The same file, the same aim: what was sent before a reload need not be sent again. */
function newestOf(previous: readonly PreviousUpload[]): PreviousUpload | undefined {
  return [...previous].sort((a, b) => Date.parse(b.creationTime) - Date.parse(a.creationTime))[0];
}

export async function startUpload(file: File, aim: UploadAim): Promise<void> {
  const key = crypto.randomUUID();
  const metadata: Record<string, string> = { filename: file.name };
  if (aim.imageId !== null) metadata["imageId"] = aim.imageId;
  if (aim.name !== null) metadata["name"] = aim.name;
  if (aim.from !== null) metadata["from"] = aim.from;
  if (aim.set !== null) {
    metadata["set"] = aim.set.id;
    metadata["setSize"] = String(aim.set.size);
  }
  const task = new Upload(file, {
    endpoint: "/api/v1/uploads",
    metadata,
    chunkSize: CHUNK,
    retryDelays: [0, 1000, 3000, 5000, 10_000, 20_000],
    storeFingerprintForResuming: true,
    removeFingerprintOnSuccess: true,
    onProgress: (sent) => change(key, { sent, state: "sending" }),
    onAfterResponse: (_request, response) => {
      const imageId = response.getHeader("Supravisor-Image");
      if (imageId) change(key, { imageId });
    },
    onError: (error) => change(key, { state: "failed", error: wordsOf(error) }),
    onSuccess: () => change(key, { state: "done", sent: file.size }),
  });
  uploads.set(key, {
    task,
    state: { key, fileName: file.name, size: file.size, sent: 0, state: "sending", error: null, imageId: null },
  });
  publish();
  const previous = newestOf(await task.findPreviousUploads());
  if (previous !== undefined) task.resumeFromPreviousUpload(previous);
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
