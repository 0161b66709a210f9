/** Files of a package by the names that machines call them: paths of another system, of which the last part is what counts. */
import { foldedName } from "#lib/domain/plain-name.ts";
import { isPlainPath } from "./plain-path.ts";
import { dirtyOf, type PackageFile, type PackageFiles } from "./package-files.ts";

const lastPart = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** Names as seen from `folder` of the package; what is not found there is looked for by its last part anywhere in it. */
export function flatFiles(files: PackageFiles, folder: string): PackageFiles {
  const byLast = Map.groupBy(files.names, (name) => foldedName(lastPart(name)));
  return {
    apart: files.apart,
    ...dirtyOf(files),
    ...(files.root === undefined ? {} : { root: files.root }),
    names: [...new Set(files.names.map(lastPart))],
    async open(asked): Promise<PackageFile | null> {
      const path = asked.replaceAll("\\", "/").replace(/^(?:\.\/)+/, "");
      const here = folder === "" ? path : `${folder}/${path}`;
      for (const name of [here, path]) {
        if (!isPlainPath(name) || (files.apart && name.includes("/"))) continue;
        const found = await files.open(name);
        if (found !== null) return found;
      }
      const [only, ...more] = byLast.get(foldedName(lastPart(path))) ?? [];
      return only === undefined || more.length > 0 ? null : files.open(only);
    },
  };
}
