/** An error as libvirt told it, kept whole, and its wording for a person. */
import type { XdrReader } from "#lib/wire/xdr/reader.ts";
import { AppError } from "#lib/errors.ts";

export class LibvirtError extends Error {
  readonly code: number;
  readonly domain: number;
  readonly details: readonly string[];

  constructor(code: number, domain: number, message: string, details: readonly string[]) {
    super(message);
    this.name = "LibvirtError";
    this.code = code;
    this.domain = domain;
    this.details = details;
  }
}

/** Of `ERROR` in procedures.ts. */
export const isCode = (error: unknown, ...codes: number[]): boolean =>
  error instanceof LibvirtError && codes.includes(error.code);

/** Characters of its own words. */
const MOST_WORDS = 1000;

/** struct remote_error of remote_protocol.x. */
export function readError(reader: XdrReader): LibvirtError {
  const code = reader.int();
  const domain = reader.int();
  const message = reader.optional((r) => r.string()) ?? "libvirt gave no reason";
  reader.int();
  reader.optional((r) => [r.string(), r.fixed(16), r.int()]);
  const details = [0, 1, 2].flatMap(() => reader.optional((r) => r.string()) ?? []);
  return new LibvirtError(code, domain, message.slice(0, MOST_WORDS), details);
}

/** In the product's words: full pools are told apart, the rest is the host's refusal with its own words. */
export function asAppError(error: unknown, doing: string): unknown {
  if (!(error instanceof LibvirtError)) return error;
  if (
    /no space left|disk quota exceeded|not enough free space|insufficient free (?:space|extents)|out of space/i.test(
      error.message,
    )
  ) {
    return new AppError("unprocessable", "pool.full", `${doing}: the storage pool has no room left.`, {
      hint: "Choose another pool, or free space in this one.",
      cause: error,
    });
  }
  return new AppError("unprocessable", "host.refused", `${doing}: ${error.message}`, {
    hint: "These are libvirt's own words; its log on the host may say more.",
    cause: error,
  });
}
