/** A GET that follows redirects itself, so that each hop is looked at. */
import type { Readable } from "node:stream";
import { request } from "undici";
import { AppError } from "#lib/errors.ts";
import { countInterim } from "#lib/wire/https/interim.ts";
import { requireFetchable } from "./fetchable.ts";
import type { GuardedAgent } from "./guarded-agent.ts";

export interface Opened {
  readonly body: Readable;
  /** Offset of the first byte of the body. */
  readonly from: number;
  /** Length of the whole file; null when the server does not tell. */
  readonly total: number | null;
  /** Strong ETag or date, for going on later. */
  readonly tag: string | null;
}

const MOST_HOPS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Worth another try. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** For messages: the query of a URL may be as good as a password. */
export function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : "that address";
}

/** `resume`: the rest from there on, if the file is still the one that `tag` names; else it comes whole. */
export async function openUrl(
  guard: GuardedAgent,
  url: string,
  resume: { from: number; tag: string } | null,
  signal: AbortSignal,
): Promise<Opened> {
  let at = url;
  for (let hop = 0; hop <= MOST_HOPS; hop++) {
    requireFetchable(at, guard.rule);
    const stop = new AbortController();
    const response = await request(at, {
      method: "GET",
      dispatcher: guard.agent,
      signal: AbortSignal.any([signal, stop.signal]),
      onInfo: countInterim(hostOf(at), (error) => stop.abort(error)),
      headers: {
        "user-agent": "Supravisor",
        // Stored bytes, not a packed form of them: the checksum is of the file.
        "accept-encoding": "identity",
        ...(resume === null || resume.from === 0 ? {} : { range: `bytes=${resume.from}-`, "if-range": resume.tag }),
      },
    });
    const location = headerOf(response.headers["location"]);
    if (REDIRECTS.has(response.statusCode) && location !== null) {
      discard(response.body);
      at = new URL(location, at).href;
      continue;
    }
    if (response.statusCode === 200 || response.statusCode === 206) return describe(response);
    discard(response.body);
    throw new AppError(
      PASSING.has(response.statusCode) ? "unavailable" : "unprocessable",
      "import.refused",
      `${hostOf(at)} answered with status ${response.statusCode}.`,
      { hint: "Open the address in a browser and see what it says.", details: { status: response.statusCode } },
    );
  }
  throw new AppError("unprocessable", "import.refused", `${hostOf(url)} redirects without end.`);
}

function describe(response: {
  statusCode: number;
  headers: Record<string, string | string[] | undefined>;
  body: Readable;
}): Opened {
  const { headers, body } = response;
  const length = count(headerOf(headers["content-length"]));
  const etag = headerOf(headers["etag"]);
  // Weak tags do not promise the same bytes (RFC 9110, 13.1.5).
  const tag = etag !== null && !etag.startsWith("W/") ? etag : headerOf(headers["last-modified"]);
  if (response.statusCode === 200) return { body, from: 0, total: length, tag };
  const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headerOf(headers["content-range"]) ?? "");
  const from = count(range?.[1] ?? null);
  const total = count(range?.[3] ?? null);
  if (from === null || total === null) {
    discard(body);
    throw new AppError(
      "unavailable",
      "import.interrupted",
      "The server answered with a part of the file without saying which.",
    );
  }
  return { body, from, total, tag };
}

function headerOf(value: string | string[] | undefined): string | null {
  return (Array.isArray(value) ? value[0] : value) ?? null;
}

function count(text: string | null): number | null {
  if (text === null || !/^\d{1,16}$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

/** Nobody reads it: the connection is given up rather than drained. */
function discard(body: Readable): void {
  body.on("error", () => undefined).destroy();
}
