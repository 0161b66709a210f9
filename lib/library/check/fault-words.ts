import type { LibraryFault } from "#lib/domain/library-check.ts";
import { readable } from "#lib/domain/plain-name.ts";
import { formatBytes } from "#lib/format/bytes.ts";

export interface Fault {
  readonly fault: LibraryFault;
  /** Below the data folder. */
  readonly place: string;
  readonly versionId: string | null;
  readonly expected: number | null;
  readonly actual: number | null;
}

const bytes = (size: number | null): string =>
  size === null ? "an unknown size" : `${formatBytes(size)} (${size} bytes)`;

/** One sentence without its full stop. */
export function faultWords({ fault, place, expected, actual }: Omit<Fault, "versionId">): string {
  const name = readable(place.slice(place.lastIndexOf("/") + 1));
  switch (fault) {
    case "folder-missing":
      return "The folder with its files is not in the library";
    case "file-missing":
      return `${name} is not in the library`;
    case "file-not-plain":
      return `${name} is no plain file`;
    case "file-unreadable":
      return `${name} cannot be read by the account that runs Supravisor`;
    case "wrong-size":
      return `${name} has ${bytes(actual)} instead of ${bytes(expected)}`;
    case "unknown-folder":
      return `The folder ${name} belongs to no version of an image`;
    case "unknown-file":
      return `The file ${name} belongs to no image`;
    case "upload-missing":
      return "The file of an unfinished upload is not there";
    case "unknown-upload":
      return `The file ${name} belongs to no upload`;
  }
}
