/** Chosen files against uploads that this browser has begun before: what goes on, what begins, and which files stay one disk. */
import type { PreviousUpload } from "tus-js-client";

export interface UploadSet {
  readonly id: string;
  readonly size: number;
}

export interface ChosenFiles {
  /** Of each chosen file, the uploads that were begun for it and not finished. */
  readonly begun: readonly (readonly PreviousUpload[])[];
  /** All uploads that this browser remembers, of whatever file. */
  readonly remembered: readonly PreviousUpload[];
  /** What the upload is for, in tus's words; without `filename` and the set. */
  readonly aim: Readonly<Record<string, string>>;
  /** Several files are one disk; of a single file: it may be one of a disk that was begun together. */
  readonly together: boolean;
}

export interface PlannedUpload {
  readonly resume: PreviousUpload | null;
  readonly set: UploadSet | null;
}

const AIM = ["imageId", "name", "from"] as const;

export function setOf({ metadata }: PreviousUpload): UploadSet | null {
  const id = metadata["set"];
  const size = Number(metadata["setSize"]);
  return id === undefined || !Number.isInteger(size) ? null : { id, size };
}

/** The newest first. */
function newestFirst(uploads: readonly PreviousUpload[]): PreviousUpload[] {
  return [...uploads].sort((a, b) => Date.parse(b.creationTime) - Date.parse(a.creationTime));
}

/** One answer a chosen file, in their order. A file that was begun for another aim begins anew. */
export function planUploads({ begun, remembered, aim, together }: ChosenFiles, newId: () => string): PlannedUpload[] {
  const fitting = begun.map((uploads) =>
    newestFirst(uploads).filter(({ metadata }) => AIM.every((key) => metadata[key] === aim[key])),
  );
  if (!together || begun.length === 1) {
    return fitting.map((uploads) => {
      const resume = uploads.find((each) => together || setOf(each) === null) ?? null;
      return { resume, set: resume === null ? null : setOf(resume) };
    });
  }
  const within = (uploads: readonly PreviousUpload[], id: string) => uploads.find((each) => setOf(each)?.id === id);
  const fits = ({ id, size }: UploadSet): boolean => {
    const found = fitting.filter((uploads) => within(uploads, id) !== undefined).length;
    if (found === begun.length) return true;
    // Files that were not even begun belong to it only if the set wants as many, and holds no other ones.
    const known = new Set(remembered.filter((each) => setOf(each)?.id === id).map((each) => each.metadata["filename"]));
    return size === begun.length && known.size === found;
  };
  const old = newestFirst(fitting.flat())
    .map(setOf)
    .find((set) => set !== null && fits(set));
  const set = old ?? { id: newId(), size: begun.length };
  return fitting.map((uploads) => ({ resume: within(uploads, set.id) ?? null, set }));
}
