/** Whether a target is one of the source's own files. */
import { realpath, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AppError } from "#lib/errors.ts";

/**
 * `files`: as facts tell them, from the source's folder on. Throws `io.same-file` (invalid): a source is never written, not even when the target may be
 * replaced.
 */
export async function refuseOwnFile(source: string, files: readonly string[], target: string): Promise<void> {
  const place = await stat(target).catch(() => null);
  if (place === null) return;
  const folder = dirname(await realpath(source).catch(() => source));
  for (const path of [source, ...files.map((name) => join(folder, name))]) {
    const own = await stat(path).catch(() => null);
    if (own === null || own.dev !== place.dev || own.ino !== place.ino) continue;
    throw new AppError("invalid", "io.same-file", `${target} belongs to the image that is to be converted.`, {
      hint: "Choose another name for the result.",
    });
  }
}
