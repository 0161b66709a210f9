/** The image's own files. */
import type { PreflightRule } from "../context.ts";

export const libraryRules: readonly PreflightRule[] = [
  {
    id: "image.files-missing",
    about: "Files of the image are missing from the library, or are not what was analysed.",
    check: ({ image }) =>
      image.faults.length === 0
        ? []
        : [
            {
              severity: "blocker",
              field: "image",
              message: `${image.name} cannot be read: ${image.faults.slice(0, 3).join("; ")}${
                image.faults.length > 3 ? `; and ${image.faults.length - 3} more` : ""
              }. Restore the library from its backup, or add a new version.`,
              source: "image library",
              remedy: null,
            },
          ],
  },
];
