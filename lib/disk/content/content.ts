/** What a file is that no disk format recognises. */

export type Content =
  /** It holds what a disk holds: it may be one, byte for byte. `what` is a noun with its article. */
  | { readonly kind: "disk"; readonly what: string; readonly partitioned: boolean }
  /** It is something else, or a part of something. */
  | ({ readonly kind: "other" } & OtherContent)
  /** Nothing tells. `zeros`: all of it that was looked at is zero. */
  | { readonly kind: "unknown"; readonly zeros: boolean };

export interface OtherContent {
  /** Of the error. */
  readonly code: "image.archive" | "image.encrypted" | "image.not-a-disk" | "image.part" | "image.unsupported-format";
  /** Follows the file's name: `is …`. */
  readonly what: string;
  /** The next step, a sentence. */
  readonly hint: string;
  /** Its content alone makes it likely, not certain: a name that says otherwise is believed. */
  readonly likely?: boolean;
}

/** The beginning and the end of a file, read once. */
export interface Sample {
  readonly name: string;
  readonly size: number;
  /** `HEAD_BYTES`, or all of a shorter file. */
  readonly head: Buffer;
  readonly tail: Buffer;
}

/** Up to the superblock of Btrfs. */
export const HEAD_BYTES = 73_728;
export const TAIL_BYTES = 4096;

/** Whether `bytes` stand at `at`, from the beginning; negative: from the end. */
export function stands({ head, tail }: Sample, bytes: Buffer, at: number): boolean {
  const from = at < 0 ? tail.length + at : at;
  const part = at < 0 ? tail : head;
  return (
    from >= 0 &&
    from + bytes.length <= part.length &&
    part.compare(bytes, 0, bytes.length, from, from + bytes.length) === 0
  );
}
