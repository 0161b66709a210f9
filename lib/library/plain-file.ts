/** Files of the library are plain files. What else stands in the place of one was not put there by us. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { fileError } from "#lib/disk/files/file-error.ts";
import type { FileGuard } from "#lib/disk/files/open-located.ts";
import { AppError } from "#lib/errors.ts";

/** For `openImageFile`: no link, no device, no pipe. */
export const plainFile: FileGuard = async ({ path, stats }) => {
  if (!stats.isFile()) throw notPlain(path);
};

/** What is checked is what is open. Throws `io.*`. */
export async function openPlainFile(path: string, access: number = constants.O_RDONLY): Promise<FileHandle> {
  // O_NONBLOCK: a FIFO would else keep the opener until somebody writes to it.
  const handle = await open(path, access | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)).catch(
    (error: unknown) => {
      throw fileError(error, `Opening ${path}`);
    },
  );
  try {
    if (!(await handle.stat()).isFile()) throw notPlain(path);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function notPlain(path: string): AppError {
  return new AppError("invalid", "io.not-a-file", `${path} is not a plain file.`, {
    hint: "The library was changed by somebody else. Restore it from its backup, or remove the version.",
  });
}
