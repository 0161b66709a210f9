/**
 * The text that says what a VMDK is made of. Source: "Virtual Disk Format 5.0", section "The Descriptor File".
 * It comes from outside: sizes and counts are bounded, names are only names (the caller opens them as siblings).
 */
import { insane } from "../../image-error.ts";

export const MAX_DESCRIPTOR_BYTES = 1_048_576;
/** 2,048 parts of 2 GiB are 4 TiB; every part is an open file. */
const MAX_EXTENTS = 2048;
const MAX_SECTORS = Math.floor(Number.MAX_SAFE_INTEGER / 512);

export interface DescriptorExtent {
  readonly access: "RW" | "RDONLY" | "NOACCESS";
  readonly sectors: number;
  /** Upper case: SPARSE, FLAT, ZERO, VMFS, VMFSSPARSE, … */
  readonly type: string;
  readonly fileName: string | null;
  /** Where a flat extent begins in its file, sectors. */
  readonly offset: number;
}

export interface Descriptor {
  /** Keys in lower case, values without quotes: `createtype`, `ddb.adaptertype`. */
  readonly values: ReadonlyMap<string, string>;
  readonly extents: readonly DescriptorExtent[];
}

const EXTENT = /^(RW|RDONLY|NOACCESS)\s+(\d{1,16})\s+([A-Za-z0-9]+)(?:\s+"([^"]*)"(?:\s+(\d{1,16}))?)?/i;
const KEY = /^[A-Za-z0-9_.:-]+$/;

/** Whether a file that begins with `head` is a descriptor: comments, then `version=`. */
export function looksLikeDescriptor(head: Uint8Array): boolean {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 4096)).toString("latin1");
  for (const raw of text.replace(/^\xef\xbb\xbf/, "").split(/\r\n|\r|\n/)) {
    const line = raw.trim();
    if (/^#\s*Disk DescriptorFile/i.test(line)) return true;
    if (line === "" || line.startsWith("#")) continue;
    return /^version\s*=\s*[1-9]/i.test(line);
  }
  return false;
}

/** Throws `image.header-insane` with the byte offset of the descriptor (`at`) and the line in the message. */
export function parseDescriptor(bytes: Buffer, name: string, at: number): Descriptor {
  const end = bytes.indexOf(0);
  const text = decodeText(end === -1 ? bytes : bytes.subarray(0, end));
  const values = new Map<string, string>();
  const extents: DescriptorExtent[] = [];
  let number = 0;
  for (const raw of text.split(/\r\n|\r|\n/)) {
    number++;
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const extent = EXTENT.exec(line);
    if (extent !== null) {
      if (extents.length === MAX_EXTENTS)
        throw insane(name, at, `its descriptor names more than ${MAX_EXTENTS} extents`);
      extents.push(toExtent(extent, name, at, number));
      continue;
    }
    const equals = line.indexOf("=");
    const key = line.slice(0, Math.max(0, equals)).trimEnd();
    if (KEY.test(key)) values.set(key.toLowerCase(), unquote(line.slice(equals + 1)));
  }
  return { values, extents };
}

function toExtent(match: RegExpExecArray, name: string, at: number, line: number): DescriptorExtent {
  const sectors = Number(match[2]);
  const offset = Number(match[5] ?? 0);
  if (sectors > MAX_SECTORS || offset > MAX_SECTORS) {
    throw insane(name, at, `line ${line} of its descriptor has an extent of ${match[2]} sectors`);
  }
  const access = match[1]?.toUpperCase() === "RDONLY" ? "RDONLY" : match[1]?.toUpperCase() === "RW" ? "RW" : "NOACCESS";
  return { access, sectors, type: (match[3] ?? "").toUpperCase(), fileName: match[4] ?? null, offset };
}

function unquote(value: string): string {
  const trimmed = value.trim();
  return trimmed.startsWith('"')
    ? trimmed.slice(1, trimmed.endsWith('"') && trimmed.length > 1 ? -1 : undefined)
    : trimmed;
}

/** File names may be in the code page that the descriptor names. */
function decodeText(bytes: Buffer): string {
  const encoding =
    /^[ \t]*encoding[ \t]*=[ \t]*"?([A-Za-z0-9_-]{1,40})/im.exec(bytes.toString("latin1"))?.[1] ?? "utf-8";
  for (const label of [encoding, "utf-8"]) {
    try {
      return new TextDecoder(label, { fatal: true }).decode(bytes);
    } catch {
      // An unknown label or bytes that are not of it: the next one, and at last one that takes every byte.
    }
  }
  return bytes.toString("latin1");
}
