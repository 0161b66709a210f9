/**
 * The one reading of a request's path. Routing, headers, policies and Next all use what is answered here, so that no
 * two of them can read the same path in two ways. What could be read in two ways is refused.
 */
import { AppError } from "#lib/errors.ts";

export interface Target {
  /** Canonical: begins with one slash, has no dot segments, and encodes no character that needs no encoding. */
  readonly path: string;
  /** With its question mark; empty without a query. */
  readonly search: string;
}

/** A path that is decoded again and again by careless readers is followed this far. */
const MOST_DECODINGS = 4;
/** Only a VM's reference may hold slashes: hosts make it up, and it is one segment here. */
const TAKES_REFERENCES = /^\/(?:api\/v1\/)?vms\/[^/]+\//;

function refuse(reason: string): never {
  throw new AppError("invalid", "request.bad-path", `The address of this request is not understood: ${reason}.`, {
    hint: "Send the path in its plain form, as /api/v1/docs and the links of the pages have it.",
  });
}

/** Throws `request.bad-path`. `host` is the Host header, which an absolute address has to repeat. */
export function readTarget(raw: string, host: string | undefined): Target {
  const target = raw.startsWith("/") ? raw : originForm(raw, host);
  const question = target.indexOf("?");
  const path = question < 0 ? target : target.slice(0, question);
  const search = question < 0 ? "" : target.slice(question);
  if (/[^\x21-\x7e]/.test(target)) refuse("it holds characters that have to be percent-encoded");
  if (target.includes("#")) refuse("it holds a fragment, which stays in the browser");
  if (path.includes("\\")) refuse("it holds a backslash");
  if (path.includes(";")) refuse("it holds a semicolon, which has to be percent-encoded");
  if (path.includes("//")) refuse("it holds an empty segment (//)");
  const canonical = path.replaceAll(/%(..)?/g, canonicalEscape);
  const segments = canonical.slice(1).split("/");
  for (const segment of segments) refuseDotSegment(segment);
  // What stands before a reference holds none itself: TAKES_REFERENCES matches whole segments.
  const reference = TAKES_REFERENCES.exec(canonical)?.[0] ?? canonical;
  if (/%(?:2F|5C)/.test(reference)) refuse("it holds an encoded slash or backslash");
  return { path: canonical, search };
}

/** `http://HOST/path`, as a client sends it to a proxy. Answered only when it names the same host as the header does. */
function originForm(raw: string, host: string | undefined): string {
  const found = /^https?:\/\/([^/?#]+)(.*)$/i.exec(raw);
  if (found === null) refuse("it does not begin with a slash");
  const [, authority = "", rest = ""] = found;
  if (authority.toLowerCase() !== host?.toLowerCase()) refuse("it names another host than the Host header");
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** Letters, digits, `-`, `.`, `_` and `~` mean the same encoded and plain (RFC 3986, 6.2.2): they become plain. */
function canonicalEscape(escape: string, hex: string | undefined): string {
  if (hex === undefined || !/^[0-9a-f]{2}$/i.test(hex))
    refuse("a percent sign is not followed by two hexadecimal digits");
  const code = Number.parseInt(hex, 16);
  if (code < 0x20 || code === 0x7f) refuse("it holds an encoded control character");
  const character = String.fromCharCode(code);
  return /[A-Za-z0-9\-._~]/.test(character) ? character : escape.toUpperCase();
}

function refuseDotSegment(segment: string): void {
  let text = segment;
  for (let pass = 0; ; pass += 1) {
    // A reader that takes `..;x` for `..`, or `..%2F` for `../`, must not find one either.
    if (text.split(/[/\\]/).some((part) => /^\.{1,2}(?:;|$)/.test(part))) refuse("it holds a dot segment (. or ..)");
    const next = decoded(text);
    if (/[\u0000-\u001f]/.test(next)) refuse("it holds an encoded control character");
    if (next === text) return;
    if (pass === MOST_DECODINGS) refuse("it is encoded too many times over");
    text = next;
  }
}

function decoded(text: string): string {
  return text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
