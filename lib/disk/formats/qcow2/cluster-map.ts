/** Where the clusters of a disk lie: L1 and L2 tables through a bounded page cache. */
import { requireBytes, type NamedBytes } from "../../fields.ts";
import { corrupt } from "../../image-error.ts";
import { PageCache } from "../../page-cache.ts";
import { COMPRESSED_HIGH, COPIED_HIGH, l2Entries, OFFSET_HIGH, TWO_32, type Qcow2Header } from "./layout.ts";

/** Bytes of one compressed cluster in the file; `size` may reach into the next one's bytes. */
export interface Packed {
  readonly at: number;
  readonly size: number;
}

/** `length` bytes of the disk of one kind. `absent`: the backing file's, or zeros where there is none. */
export type ClusterRun =
  | { readonly kind: "absent"; readonly length: number }
  | { readonly kind: "zero"; readonly length: number }
  /** `at`: in the data file. When only kinds were asked for, that of the first cluster. `plain`: bytes not compressed. */
  | { readonly kind: "data"; readonly length: number; readonly at: number; readonly plain: number }
  /** From the start of the asked cluster on, one entry a cluster. */
  | { readonly kind: "packed"; readonly length: number; readonly clusters: readonly Packed[] };

const ABSENT = 0;
const ZERO = 1;
const DATA = 2;
const PACKED = 3;

export class ClusterMap {
  readonly #file: NamedBytes;
  readonly #data: NamedBytes;
  readonly #header: Qcow2Header;
  readonly #cache: PageCache;
  readonly #entryBytes: number;
  readonly #perTable: number;
  readonly #subBytes: number;
  /** What the last #decode found. One scan runs at a time: scans never await. */
  #kind = ABSENT;
  #at = 0;
  #size = 0;
  #length = 0;

  constructor(file: NamedBytes, data: NamedBytes, header: Qcow2Header) {
    this.#file = file;
    this.#data = data;
    this.#header = header;
    // 4 MiB at most, whatever the disk's size: the L2 entries of 32 GiB of disk in the usual clusters.
    this.#cache = new PageCache(file.bytes);
    this.#entryBytes = header.extendedL2 ? 16 : 8;
    this.#perTable = l2Entries(header);
    this.#subBytes = header.clusterBytes / 32;
  }

  /**
   * The run at `offset`, at most `limit` bytes. `kindsOnly` joins clusters that lie apart and counts compressed
   * ones as data. Throws `image.truncated`, `image.corrupt`.
   */
  locate(offset: number, limit: number, kindsOnly: boolean, signal?: AbortSignal): ClusterRun | Promise<ClusterRun> {
    const { clusterBytes, l1Offset } = this.#header;
    const cluster = Math.floor(offset / clusterBytes);
    const l1Index = Math.floor(cluster / this.#perTable);
    const l1 = this.#cache.from(l1Offset + l1Index * 8, signal);
    if (l1 instanceof Promise) return l1.then((page) => this.#throughL1(page, offset, limit, kindsOnly, signal));
    return this.#throughL1(l1, offset, limit, kindsOnly, signal);
  }

  #throughL1(
    page: Buffer,
    offset: number,
    limit: number,
    kindsOnly: boolean,
    signal: AbortSignal | undefined,
  ): ClusterRun | Promise<ClusterRun> {
    const { clusterBytes, l1Offset, l1Entries } = this.#header;
    const tableBytes = this.#perTable * clusterBytes;
    const l1Index = Math.floor(offset / tableBytes);
    const within = offset - l1Index * tableBytes;
    const table = this.#l1Entry(page, 0, l1Offset + l1Index * 8);
    if (table === 0) {
      let length = tableBytes - within;
      const entries = Math.min(Math.floor(page.length / 8), l1Entries - l1Index);
      for (let i = 1; i < entries && length < limit; i++) {
        if (this.#l1Entry(page, i * 8, l1Offset + (l1Index + i) * 8) !== 0) break;
        length += tableBytes;
      }
      return { kind: "absent", length: Math.min(length, limit) };
    }
    const index = Math.floor(within / clusterBytes);
    const bytes = Math.min(limit, tableBytes - within);
    const at = table + index * this.#entryBytes;
    const l2 = this.#cache.from(at, signal);
    if (l2 instanceof Promise) return l2.then((found) => this.#scan(found, at, offset, bytes, kindsOnly));
    return this.#scan(l2, at, offset, bytes, kindsOnly);
  }

  /** Offset of the L2 table, 0 for none. */
  #l1Entry(page: Buffer, pos: number, at: number): number {
    const low = page.readUInt32BE(pos + 4);
    const table = (page.readUInt32BE(pos) & OFFSET_HIGH) * TWO_32 + (low - (low % 512));
    if (table === 0) return 0;
    const { clusterBytes, l1Offset, l1Entries } = this.#header;
    if (table % clusterBytes !== 0)
      throw corrupt(this.#file.name, at, `an L2 table lies at byte ${table}, inside a cluster`);
    if (table < l1Offset + l1Entries * 8 && table + clusterBytes > l1Offset) {
      throw corrupt(this.#file.name, at, `an L2 table at byte ${table} lies over the L1 table`);
    }
    requireBytes(this.#file, table, clusterBytes, "an L2 table");
    return table;
  }

  /** Entries from `page[0]` on; `limit` ends inside this L2 table. */
  #scan(page: Buffer, entryAt: number, offset: number, limit: number, kindsOnly: boolean): ClusterRun {
    const { clusterBytes } = this.#header;
    const entryBytes = this.#entryBytes;
    const end = offset + limit;
    let guest = offset;
    let pos = 0;
    this.#decode(page, pos, entryAt, guest);
    const kind = kindsOnly && this.#kind === PACKED ? DATA : this.#kind;
    const at = this.#at;
    let plain = 0;
    const packed: Packed[] | null = kind === PACKED ? [] : null;
    for (;;) {
      if (this.#kind === DATA) plain += Math.min(this.#length, end - guest);
      packed?.push({ at: this.#at, size: this.#size });
      guest += this.#length;
      if (guest >= end) break;
      if (guest % clusterBytes === 0) pos += entryBytes;
      if (pos + entryBytes > page.length) break;
      this.#decode(page, pos, entryAt + pos, guest);
      if (kindsOnly) {
        if ((this.#kind === PACKED ? DATA : this.#kind) !== kind) break;
      } else if (this.#kind !== kind || (kind === DATA && this.#at !== at + (guest - offset))) break;
    }
    const length = Math.min(guest, end) - offset;
    if (packed !== null) return { kind: "packed", length, clusters: packed };
    if (kind === DATA) return { kind: "data", length, at, plain };
    return { kind: kind === ZERO ? "zero" : "absent", length };
  }

  /** Judges one entry: kind, place, and how far the kind holds inside the cluster (to its end, unless subclusters differ). */
  #decode(page: Buffer, pos: number, entryAt: number, guest: number): void {
    const { clusterBytes, clusterBits, extendedL2, size } = this.#header;
    const high = page.readUInt32BE(pos);
    const low = page.readUInt32BE(pos + 4);
    const within = guest % clusterBytes;
    this.#length = clusterBytes - within;
    if ((high & COMPRESSED_HIGH) !== 0) return this.#decodePacked(high, low, clusterBits, entryAt);
    const host = (high & OFFSET_HIGH) * TWO_32 + (low - (low % 512));
    // In a data file, offset 0 is a place like any other; the COPIED flag tells it from "nothing".
    const placed = host !== 0 || (this.#data !== this.#file && (high & COPIED_HIGH) !== 0);
    if (extendedL2) {
      this.#decodeSub(page.readUInt32BE(pos + 8), page.readUInt32BE(pos + 12), placed, within, entryAt);
    } else this.#kind = low % 2 === 1 ? ZERO : placed ? DATA : ABSENT;
    if (this.#kind !== DATA) return;
    if (host % clusterBytes !== 0) {
      throw corrupt(
        this.#file.name,
        entryAt,
        `the cluster for disk offset ${guest} lies at byte ${host}, inside a cluster`,
      );
    }
    this.#at = host + within;
    requireBytes(this.#data, this.#at, Math.min(this.#length, size - guest), `the data of disk offset ${guest}`);
  }

  #decodeSub(zeros: number, allocated: number, placed: boolean, within: number, entryAt: number): void {
    const sub = Math.floor(within / this.#subBytes);
    // Both words are 32 flags, subcluster 0 in the lowest bit.
    if ((zeros & allocated) !== 0) throw corrupt(this.#file.name, entryAt, "a subcluster is both stored and zero");
    const stored = allocated >>> sub;
    const zero = zeros >>> sub;
    this.#kind = stored % 2 === 1 ? DATA : zero % 2 === 1 ? ZERO : ABSENT;
    if (this.#kind === DATA && !placed)
      throw corrupt(this.#file.name, entryAt, "a stored subcluster has no place in the file");
    const flags = this.#kind === DATA ? stored : this.#kind === ZERO ? zero : stored | zero;
    let same = 1;
    const want = this.#kind === ABSENT ? 0 : 1;
    while (sub + same < 32 && ((flags >>> same) & 1) === want) same++;
    this.#length = (sub + same) * this.#subBytes - within;
  }

  #decodePacked(high: number, low: number, clusterBits: number, entryAt: number): void {
    if (this.#data !== this.#file)
      throw corrupt(this.#file.name, entryAt, "a compressed cluster in an image with a data file");
    // 62 bits: the offset, then the number of further 512-byte sectors in the top (clusterBits - 8) of them.
    const offsetHighBits = 30 - (clusterBits - 8);
    const sectors = (high & 0x3fffffff) >>> offsetHighBits;
    const at = (high & (2 ** offsetHighBits - 1)) * TWO_32 + low;
    requireBytes(this.#file, at, 1, "a compressed cluster");
    this.#kind = PACKED;
    this.#at = at;
    // The last sector of the file may be cut: only the stream's own end counts.
    this.#size = Math.min((sectors + 1) * 512 - (at % 512), this.#file.bytes.size - at);
  }
}
