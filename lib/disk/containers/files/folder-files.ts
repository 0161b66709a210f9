/** The files of a machine's folder, in whatever folders below it they lie. */
import type { ImageFile, MachineTree } from "../../io.ts";
import { isClutter } from "./clutter.ts";
import { dirtyOf, type PackageFiles, placedAt } from "./package-files.ts";

/** The result owns the files that were opened. */
export function filesOfFolder(image: ImageFile, { files, root }: MachineTree): PackageFiles {
  const names = files.names.filter((name) => !isClutter(name));
  const known = new Set(names);
  return {
    apart: false,
    root,
    ...dirtyOf(image),
    names,
    async open(name) {
      const bytes = known.has(name) ? await files.open(name) : null;
      return bytes === null ? null : { name, bytes, file: placedAt(root, name), at: 0 };
    },
    [Symbol.asyncDispose]: async () => files[Symbol.asyncDispose](),
  };
}
