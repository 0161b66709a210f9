/** How a differencing VHD names its parent: identity, name, and paths for several systems. */
import { type Fields, type NamedBytes, readStruct } from "../../fields.ts";
import { insane } from "../../image-error.ts";
import { SECTOR } from "./layout.ts";

export interface ParentName {
  /** Unique id of the parent's footer, hex. */
  readonly uniqueId: string;
  /** Offset of that id in the file, for messages. */
  readonly at: number;
  /** As they were written, best first; none where it tells no name. */
  readonly paths: readonly string[];
}

const UNIQUE_ID_AT = 40;
const NAME_AT = 64;
const NAME_BYTES = 512;
const LOCATORS_AT = 576;
const LOCATOR_BYTES = 24;
const LOCATORS = 8;
/** Windows ends paths at 32,767 characters of two bytes. */
const MAX_PATH_BYTES = 65_536;
/** Relative before absolute; codes of 2003 and older (ANSI) last. */
const CODES = ["W2ru", "W2ku", "MacX", "Wi2r", "Wi2k"] as const;

/** Reads the locators that `header`, a dynamic header, points to. Throws `image.header-insane`, `image.truncated`. */
export async function readParentName(file: NamedBytes, header: Fields, signal?: AbortSignal): Promise<ParentName> {
  const paths = new Map<string, string>();
  for (let i = 0; i < LOCATORS; i++) {
    const pos = LOCATORS_AT + i * LOCATOR_BYTES;
    const code = header.ascii(pos, 4);
    const length = header.u32(pos + 8);
    if (!CODES.some((known) => known === code) || length === 0) continue;
    const at = header.u64(pos + 16, "the offset of a parent locator");
    if (length > MAX_PATH_BYTES || at < SECTOR)
      throw insane(file.name, header.at + pos + 8, `a parent locator has ${length} bytes at byte ${at}`);
    const { raw } = await readStruct(file, at, length, "be", "a parent locator", signal);
    paths.set(code, decodePath(code, raw));
  }
  const name = untilNul(
    Buffer.from(header.raw.subarray(NAME_AT, NAME_AT + NAME_BYTES))
      .swap16()
      .toString("utf16le"),
  );
  return {
    uniqueId: header.raw.toString("hex", UNIQUE_ID_AT, UNIQUE_ID_AT + 16),
    at: header.at + UNIQUE_ID_AT,
    paths: [...CODES.map((code) => paths.get(code) ?? ""), name].filter((path) => path !== ""),
  };
}

function decodePath(code: string, raw: Buffer): string {
  if (code === "W2ru" || code === "W2ku") return untilNul(raw.toString("utf16le"));
  if (code !== "MacX") return untilNul(raw.toString("latin1"));
  const url = untilNul(raw.toString("utf8"));
  try {
    return decodeURIComponent(url);
  } catch {
    // A stray per cent sign: then it was never an URL.
    return url;
  }
}

function untilNul(text: string): string {
  const end = text.indexOf("\0");
  return end === -1 ? text : text.slice(0, end);
}
