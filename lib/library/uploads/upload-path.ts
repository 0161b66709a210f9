import { join } from "node:path";
import { AppError } from "#lib/errors.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const uploadsFolder = (dataDir: string): string => join(dataDir, "uploads");

/** Where the bytes of an upload lie: named by its id alone, never by what a stranger calls it. */
export function uploadPath(dataDir: string, id: string): string {
  if (!UUID.test(id)) throw new AppError("not-found", "upload.not-found", "There is no such upload.");
  return join(uploadsFolder(dataDir), id);
}
