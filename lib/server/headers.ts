/** What browsers are told about every page: nothing from elsewhere, no framing, scripts only with this answer's nonce. */
import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";

export interface PagePolicy {
  readonly csp: string;
}

export function setCommonHeaders(response: ServerResponse, secure: boolean): void {
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.setHeader("Referrer-Policy", "same-origin");
  response.setHeader("X-Frame-Options", "DENY");
  response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
  response.setHeader("Cross-Origin-Resource-Policy", "same-origin");
  response.setHeader("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()");
  if (secure) response.setHeader("Strict-Transport-Security", "max-age=31536000");
}

/** Answers of the API are data: should one be opened as a page all the same, it can do nothing. */
export const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox";

/**
 * The policy of one page. Next reads the nonce from the request's own header and puts it on its scripts.
 * Styles may be inline: sizes of bars and rows of virtual tables are set that way.
 */
export function pagePolicy(dev: boolean): PagePolicy {
  const nonce = randomBytes(16).toString("base64");
  const script = `'self' 'nonce-${nonce}' 'strict-dynamic'${dev ? " 'unsafe-eval'" : ""}`;
  return {
    csp: [
      "default-src 'self'",
      `script-src ${script}`,
      "style-src 'self' 'unsafe-inline'",
      "img-src 'self' data: blob:",
      "font-src 'self'",
      `connect-src 'self'${dev ? " ws:" : ""}`,
      "object-src 'none'",
      "base-uri 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
    ].join("; "),
  };
}
