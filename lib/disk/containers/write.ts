/** The kinds of packages that are written, as data. */
import type { PackageRequest, PackageWritten } from "./package.ts";
import { writeOva } from "./ova/write.ts";
import { writeXva } from "./xva/write.ts";

export const PACKAGE_WRITERS = { ova: writeOva, xva: writeXva } satisfies Record<
  string,
  (request: PackageRequest) => Promise<PackageWritten>
>;

export type PackageKind = keyof typeof PACKAGE_WRITERS;
