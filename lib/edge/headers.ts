/** Headers that mean something inside and must never come from outside. They go before anything else looks at the request. */
import type { IncomingMessage } from "node:http";

/** Between our own parts, between a proxy and us, and between the parts of Next; names that begin so. */
const INTERNAL_PREFIXES = [
  "x-supravisor-",
  "x-forwarded-",
  "x-middleware-",
  "x-nextjs-",
  "x-next-",
  "x-invoke-",
  "x-now-",
  "x-vercel-",
  "x-prerender-",
  "x-original-",
  "x-rewrite-",
  "x-edge-",
  "x-action-",
];
const INTERNAL = new Set([
  "forwarded",
  "x-real-ip",
  "x-client-ip",
  "true-client-ip",
  "cf-connecting-ip",
  "x-cluster-client-ip",
  "x-host",
  "x-matched-path",
  "x-http-method-override",
  "x-http-method",
  "x-method-override",
  "content-security-policy",
  "content-security-policy-report-only",
  // Next's, of which the pages need none: no server actions, no intercepted routes, no resumed renders.
  "next-url",
  "next-action",
  "next-resume",
]);

export function isInternalHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return INTERNAL.has(lower) || INTERNAL_PREFIXES.some((prefix) => lower.startsWith(prefix));
}

/** Both from the parsed headers, which Next reads, and from the raw ones, which the API reads. */
export function dropInternalHeaders(request: IncomingMessage): void {
  const { rawHeaders } = request;
  const kept: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    if (!isInternalHeader(name)) kept.push(name, rawHeaders[at + 1] ?? "");
  }
  for (const name of Object.keys(request.headers)) {
    if (isInternalHeader(name)) Reflect.deleteProperty(request.headers, name);
  }
  rawHeaders.splice(0, rawHeaders.length, ...kept);
}
