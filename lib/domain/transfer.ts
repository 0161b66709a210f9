/** A disk of the library given out once, in any format, to whoever holds the token. */
import { z } from "zod";
import { DiskFormatId } from "./disk-format.ts";

export const NewTransfer = z.object({
  imageId: z.uuid(),
  versionId: z.uuid(),
  diskId: z.uuid(),
  format: DiskFormatId,
  /** Of the format, in its own words: `{ "subformat": "dynamic" }`. */
  options: z.record(z.string().max(64), z.union([z.string().max(256), z.number(), z.boolean()])).default({}),
  /** Until the token ends by itself. */
  minutes: z.number().int().min(1).max(1440).default(60),
});
export type NewTransfer = z.infer<typeof NewTransfer>;

export const Transfer = z.object({
  id: z.uuid(),
  fileName: z.string(),
  format: DiskFormatId,
  /** Exact bytes of the file. */
  length: z.number().int(),
  /** Path on this server; takes the token as `Authorization: Bearer …` or `?token=…`. */
  path: z.string(),
  /** Bytes given out so far, all takers together. */
  delivered: z.number().int(),
  expiresAt: z.string(),
});
export type Transfer = z.infer<typeof Transfer>;
