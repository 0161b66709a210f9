/** `Upload-Metadata` of tus 1.0: `key base64,key base64,…`. */
import { z } from "zod";
import { SourceFormatId } from "#lib/domain/disk-format.ts";
import { ImageName } from "#lib/domain/image.ts";
import { AppError } from "#lib/errors.ts";
import { safeFileName } from "../file-names.ts";

const MAX_SET = 1000;

const Metadata = z
  .object({
    filename: z.string().transform(safeFileName),
    imageId: z.uuid().optional(),
    name: ImageName.optional(),
    from: SourceFormatId.optional(),
    set: z.uuid().optional(),
    setSize: z.coerce.number().int().min(1).max(MAX_SET).optional(),
  })
  .refine(({ set, setSize }) => (set === undefined) === (setSize === undefined), "set and setSize go together");

export interface UploadAim {
  readonly fileName: string;
  readonly imageId: string | null;
  readonly imageName: string | null;
  readonly saidFormat: SourceFormatId | null;
  readonly setId: string | null;
  readonly setSize: number | null;
}

/** Throws `upload.bad-metadata`, `image.bad-file-name`. */
export function parseMetadata(header: string | undefined): UploadAim {
  const pairs: Record<string, string> = {};
  for (const part of (header ?? "").split(",")) {
    const [key, value, ...rest] = part.trim().split(" ");
    if (key === undefined || key === "") continue;
    if (rest.length > 0) throw bad("a pair has more than a key and a value");
    pairs[key] = Buffer.from(value ?? "", "base64").toString("utf8");
  }
  const parsed = Metadata.safeParse(pairs);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw bad(`${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.trim());
  }
  const { filename, imageId, name, from, set, setSize } = parsed.data;
  return {
    fileName: filename,
    imageId: imageId ?? null,
    imageName: name ?? null,
    saidFormat: from ?? null,
    // A set of one is a file.
    setId: setSize === 1 ? null : (set ?? null),
    setSize: setSize === 1 ? null : (setSize ?? null),
  };
}

function bad(why: string): AppError {
  return new AppError("invalid", "upload.bad-metadata", `The description of the upload is not understood: ${why}.`, {
    hint: "Upload-Metadata needs at least `filename`, as base64.",
  });
}
