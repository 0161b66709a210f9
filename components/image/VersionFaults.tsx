import type { ImageVersion } from "#lib/domain/image.ts";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";

/** What the last comparison of library and database found wrong with a version's files. */
export function VersionFaults({ version }: { readonly version: Pick<ImageVersion, "number" | "faults"> }) {
  return (
    <ErrorNotice
      title={`Files of version ${version.number} are missing`}
      error={{
        kind: "unavailable",
        code: "library.file-missing",
        message: version.faults.join(" "),
        hint: "It cannot be deployed. Restore the library from its backup, or add a new version.",
      }}
    />
  );
}
