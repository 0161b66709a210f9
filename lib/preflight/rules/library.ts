/** The image's own files. */
import { guestWarnings } from "#lib/domain/guest-warnings.ts";
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
  {
    id: "image.notes",
    about: "What else is known of the image's disks and worth knowing, as its page says it.",
    check: ({ image }) =>
      image.disks.flatMap(({ notes, guest }, index) => {
        // Other rules say these, with what to do about them.
        const said = new Set(guest === null ? [] : guestWarnings(guest));
        return notes
          .filter((note) => !said.has(note))
          .map((note) => ({
            severity: "info" as const,
            field: "image" as const,
            message: image.disks.length === 1 ? note : `Disk ${index + 1}: ${note}`,
            source: "the image",
            remedy: null,
          }));
      }),
  },
];
