/** Whether the files of the library and the database agree. */
import { z } from "zod";

export const LibraryFault = z.enum([
  /** A version's folder, */
  "folder-missing",
  /** or a file of it, is not there; */
  "file-missing",
  /** it is a link, a folder or a device; */
  "file-not-plain",
  /** it cannot be looked at; */
  "file-unreadable",
  /** it is longer or shorter than it was when it was analysed. */
  "wrong-size",
  /** A folder that belongs to no version; */
  "unknown-folder",
  /** a file that belongs to none, or to none of its version's disks; */
  "unknown-file",
  /** an unfinished upload without its file; */
  "upload-missing",
  /** a file of no upload. */
  "unknown-upload",
]);
export type LibraryFault = z.infer<typeof LibraryFault>;

/** A version with one of these cannot be deployed. */
export const BREAKS_VERSION: ReadonlySet<LibraryFault> = new Set<LibraryFault>([
  "folder-missing",
  "file-missing",
  "file-not-plain",
  "file-unreadable",
  "wrong-size",
]);

export const LibraryFinding = z.object({
  fault: LibraryFault,
  /** In words. */
  message: z.string(),
  /** Below the data folder. */
  place: z.string(),
  /** The version that is concerned; null: none. */
  version: z.object({ id: z.uuid(), number: z.number().int(), imageId: z.uuid(), imageName: z.string() }).nullable(),
  /** Bytes that the database knows of; null: does not matter. */
  expected: z.number().nullable(),
  /** Bytes that are there. */
  actual: z.number().nullable(),
  firstSeenAt: z.string(),
});
export type LibraryFinding = z.infer<typeof LibraryFinding>;

export const LibraryCheck = z.object({
  /** Null: they were never compared. */
  checkedAt: z.string().nullable(),
  /** Looked at. */
  versions: z.number().int(),
  files: z.number().int(),
  findings: z.array(LibraryFinding),
});
export type LibraryCheck = z.infer<typeof LibraryCheck>;
