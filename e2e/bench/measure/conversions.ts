/** What the conversion bench measures: the formats in our words and qemu-img's, the pairs, and their bars. */
import type { DiskFormatId } from "#lib/domain/disk-format.ts";

export interface Kind {
  readonly format: DiskFormatId;
  /** qemu-img's name of the format. */
  readonly qemu: string;
  readonly ours: Readonly<Record<string, unknown>>;
  readonly theirs: readonly string[];
}

const kind = (format: DiskFormatId, qemu: string, ours: Record<string, unknown> = {}, ...theirs: string[]): Kind => ({
  format,
  qemu,
  ours,
  theirs: ["-O", qemu, ...theirs],
});

export const KINDS = {
  raw: kind("raw", "raw"),
  qcow2: kind("qcow2", "qcow2"),
  "qcow2-zlib": kind("qcow2", "qcow2", { compression: "zlib" }, "-c"),
  "qcow2-zstd": kind("qcow2", "qcow2", { compression: "zstd" }, "-c", "-o", "compression_type=zstd"),
  vmdk: kind("vmdk", "vmdk"),
  "vmdk-stream": kind("vmdk", "vmdk", { subformat: "streamOptimized" }, "-o", "subformat=streamOptimized"),
  vhd: kind("vhd", "vpc", {}, "-o", "force_size=on"),
  vhdx: kind("vhdx", "vhdx"),
  vdi: kind("vdi", "vdi"),
} satisfies Record<string, Kind>;

export interface ConversionRow {
  readonly name: string;
  readonly from: keyof typeof KINDS;
  readonly to: keyof typeof KINDS;
  /** Ratio of wall times, ours / qemu-img's. */
  readonly bar: number;
  /** Measured without the fingerprint as well. */
  readonly alone: boolean;
  /** Beside the target kind's own. */
  readonly options?: Readonly<Record<string, unknown>>;
}

const row = (from: ConversionRow["from"], to: ConversionRow["to"], bar: number): ConversionRow => ({
  name: `${from}→${to}`,
  from,
  to,
  bar,
  alone: false,
});
/** Moves bytes as they are. */
const copy = (from: ConversionRow["from"], to: ConversionRow["to"], bar: number): ConversionRow => ({
  ...row(from, to, bar),
  alone: true,
});
/** The same at another level than the usual one. */
const atLevel = (level: number, { name, ...rest }: ConversionRow): ConversionRow => ({
  name: `${name} level ${level}`,
  ...rest,
  options: { compression_level: level },
});

export const CONVERSIONS: readonly ConversionRow[] = [
  copy("raw", "raw", 1),
  copy("raw", "qcow2", 1),
  copy("raw", "vmdk", 0.4),
  copy("raw", "vhd", 1),
  copy("raw", "vhdx", 1),
  copy("raw", "vdi", 0.7),
  copy("qcow2", "raw", 1),
  copy("vmdk", "raw", 1),
  copy("vhd", "raw", 1),
  copy("vhdx", "raw", 1),
  copy("vdi", "raw", 1),
  // As large as qemu-img's, and at most one percent larger.
  row("raw", "vmdk-stream", 0.35),
  atLevel(3, row("raw", "vmdk-stream", 0.2)),
  row("raw", "qcow2-zlib", 0.35),
  row("raw", "qcow2-zstd", 0.5),
  row("vmdk-stream", "raw", 0.5),
  row("vmdk-stream", "qcow2", 1),
  row("vmdk-stream", "qcow2-zstd", 0.5),
  row("qcow2-zlib", "raw", 1),
  row("qcow2-zstd", "raw", 1),
];
