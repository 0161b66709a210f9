/** Walks the headers of a tar file, so that each entry can be read where it lies. */
import { readStruct, type NamedBytes } from "../../fields.ts";
import { insane, truncated } from "../../image-error.ts";
import { decodeTarHeader, TAR_BLOCK, tarPadding } from "./header.ts";
import { oldSparseMap, type PaxSparse, paxSparseMap, type SparseMap } from "./sparse.ts";

export interface TarEntry {
  /** As the archive says it, a leading `./` left out. Never used as a path. */
  readonly name: string;
  /** Of its first byte in the file. */
  readonly at: number;
  /** Of what is stored. */
  readonly size: number;
  readonly headerAt: number;
  /** The file has holes that are not stored. */
  readonly sparse?: SparseMap;
}

/** One read gets a short entry and the header behind it. */
const WINDOW = 4096;
/** Extended headers and long names. */
const MOST_META_BYTES = 65_536;
/** What any file system takes as a path. */
const MOST_NAME = 4096;
const YIELD_EVERY = 4096;

/**
 * Plain files in their order; folders and links are left out. Reads headers only.
 * Throws `image.truncated`, `image.header-insane`, also after `most` headers.
 */
export async function* tarEntries(file: NamedBytes, most: number, signal?: AbortSignal): AsyncIterable<TarEntry> {
  let window = { at: 0, bytes: Buffer.alloc(0) };
  const header = async (at: number): Promise<Buffer> => {
    if (at < window.at || at + TAR_BLOCK > window.at + window.bytes.length) {
      const bytes = Buffer.alloc(Math.min(WINDOW, file.bytes.size - at));
      await file.bytes.read(at, bytes, signal);
      window = { at, bytes };
    }
    return window.bytes.subarray(at - window.at, at - window.at + TAR_BLOCK);
  };

  let at = 0;
  let count = 0;
  let next: Extended = {};
  // The archive ends with blocks of zeros; some writers leave them out.
  while (at < file.bytes.size) {
    signal?.throwIfAborted();
    if (at + TAR_BLOCK > file.bytes.size) throw truncated(file.name, at, `the archive ends inside a header`);
    const block = await header(at);
    if (block[0] === 0 && block.every((byte) => byte === 0)) return;
    if (++count > most) {
      throw insane(file.name, at, `the archive has more than ${most} entries`);
    }
    if (count % YIELD_EVERY === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    const decoded = decodeTarHeader(file.name, at, block);
    const old = decoded.type === "S" ? await oldSparseMap(file, at, Buffer.from(block), signal) : null;
    const data = at + TAR_BLOCK * (1 + (old?.blocks ?? 0));
    const meta = decoded.type === "x" || decoded.type === "g" || decoded.type === "L" || decoded.type === "K";
    const size = meta ? decoded.size : (next.size ?? decoded.size);
    if (!Number.isSafeInteger(data + size) || data + size > file.bytes.size) {
      throw truncated(
        file.name,
        at,
        `an entry of ${size} bytes begins at byte ${data}, the file has ${file.bytes.size}`,
      );
    }
    if (meta) {
      const bytes = await readMeta(file, data, size, signal);
      if (decoded.type === "L") next = { ...next, name: bytes.toString("utf8").replace(/\0.*$/su, "") };
      else if (decoded.type === "x") next = { ...next, ...paxRecords(file.name, data, bytes) };
    } else {
      const { sparse } = next;
      const name = sparse?.name ?? next.name ?? decoded.name;
      next = {};
      if (name.length > MOST_NAME) throw insane(file.name, at, `a name in the archive has ${name.length} characters`);
      if ((decoded.type === "0" || decoded.type === "7" || old !== null) && !name.endsWith("/")) {
        const found = sparse === undefined ? null : await paxSparseMap(file, data, size, sparse, signal);
        const skip = found?.mapBytes ?? 0;
        const map = old?.map ?? found?.map;
        const plain = name.startsWith("./") ? name.slice(2) : name;
        const holes = map === undefined ? {} : { sparse: map };
        yield { name: plain, at: data + skip, size: size - skip, headerAt: at, ...holes };
      }
    }
    at = data + size + tarPadding(size);
  }
}

async function readMeta(file: NamedBytes, at: number, size: number, signal: AbortSignal | undefined): Promise<Buffer> {
  if (size > MOST_META_BYTES) throw insane(file.name, at, `an extended header of the archive has ${size} bytes`);
  return (await readStruct(file, at, size, "be", "an extended header", signal)).raw;
}

/** Of the entry that follows. */
interface Extended {
  readonly name?: string;
  readonly size?: number;
  readonly sparse?: PaxSparse;
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function paxRecords(file: string, at: number, bytes: Buffer): Extended {
  const found: { name?: string; size?: number; sparse?: PaxSparse } = {};
  const sparse = new Map<string, string>();
  const numbers: string[] = [];
  let pos = 0;
  while (pos < bytes.length && bytes[pos] !== 0) {
    const space = bytes.indexOf(0x20, pos);
    const length = space === -1 ? Number.NaN : Number(bytes.toString("latin1", pos, space));
    if (!Number.isInteger(length) || length <= space - pos + 1 || pos + length > bytes.length) {
      throw insane(file, at + pos, "an extended header of the archive cannot be read");
    }
    const record = bytes.toString("utf8", space + 1, pos + length - 1);
    const equals = record.indexOf("=");
    const key = record.slice(0, equals);
    const value = record.slice(equals + 1);
    if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes") numbers.push(value);
    else if (key === "GNU.sparse.map") numbers.push(...value.split(","));
    else if (key.startsWith("GNU.sparse.")) sparse.set(key.slice("GNU.sparse.".length), value);
    if (key === "path") {
      if (value.includes("\0")) throw insane(file, at + pos, "a name in the archive holds a NUL character");
      found.name = value;
    }
    if (key === "size") {
      if (!/^\d{1,16}$/.test(value) || !Number.isSafeInteger(Number(value))) {
        throw insane(file, at + pos, "an extended header of the archive has no readable size");
      }
      found.size = Number(value);
    }
    pos += length;
  }
  if (sparse.size === 0) return found;
  return {
    ...found,
    sparse: {
      major: sparse.get("major") ?? "0",
      size: sparse.get("realsize") ?? sparse.get("size") ?? "",
      name: sparse.get("name") ?? null,
      numbers,
    },
  };
}
