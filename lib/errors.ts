/**
 * The one error class of the product.
 *
 * `code` is stable and may be matched by scripts (`image.truncated`, `host.key-changed`).
 * `message` says what failed, on which host and disk, and why, in words for a person.
 * `hint` says what to do about it. Neither may carry a secret.
 */

/** The families of failure; each maps to one HTTP status and one wording in the page. */
export type ErrorKind =
  | "invalid" // the input is wrong (400)
  | "unauthenticated" // nobody is signed in (401)
  | "forbidden" // this person may not (403)
  | "not-found" // no such thing (404)
  | "conflict" // the state has moved on: name exists, already approved (409)
  | "unprocessable" // understood, but this image or host cannot (422)
  | "too-many" // rate limit (429)
  | "cancelled" // somebody cancelled it (499)
  | "unavailable" // a peer cannot be reached or timed out (503)
  | "internal"; // our own fault (500)

export interface ErrorDetails {
  /** Facts for scripts: offsets, limits, names. JSON values only; never a secret. */
  readonly [key: string]: string | number | boolean | null | readonly string[];
}

export class AppError extends Error {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly hint: string | undefined;
  readonly details: ErrorDetails | undefined;

  constructor(
    kind: ErrorKind,
    code: string,
    message: string,
    more: { hint?: string; cause?: unknown; details?: ErrorDetails } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "AppError";
    this.kind = kind;
    this.code = code;
    this.hint = more.hint;
    this.details = more.details;
  }
}

/** What crosses a wire, a thread or a database row. */
export interface ErrorJson {
  kind: ErrorKind;
  code: string;
  message: string;
  hint?: string;
  details?: ErrorDetails;
}

/** Turns anything thrown into the wire form. An unknown throw keeps its message out of the answer. */
export function errorToJson(error: unknown): ErrorJson {
  if (error instanceof AppError) {
    return {
      kind: error.kind,
      code: error.code,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error.details === undefined ? {} : { details: error.details }),
    };
  }
  if (error instanceof Error && error.name === "AbortError") {
    return { kind: "cancelled", code: "cancelled", message: "The work was cancelled." };
  }
  return {
    kind: "internal",
    code: "internal",
    message: "Something failed inside Supravisor.",
    hint: "The server's log has the details under the time of this message.",
  };
}

/** The way back: an error that came over a wire or out of a thread. */
export function errorFromJson(json: ErrorJson): AppError {
  return new AppError(json.kind, json.code, json.message, {
    ...(json.hint === undefined ? {} : { hint: json.hint }),
    ...(json.details === undefined ? {} : { details: json.details }),
  });
}
