/** One cell of the matrix: an image of one row into a file of one column, as the command line does it. */
import { createReadStream, createWriteStream } from "node:fs";
import { PACKAGE_WRITERS } from "../../containers/write.ts";
import { convertFile, openInspection } from "../../file-conversion.ts";
import { createFileSink } from "../../files/file-sink.ts";
import { createStreamSink } from "../../files/stream-sink.ts";
import type { ReadableRow, WritableRow } from "./row.ts";

/** `file` to `file`; `pipe`: the source passes by once; `forward`: the target cannot be written out of order either. */
export type Way = "file" | "pipe" | "forward";

const MACHINE = {
  name: "matrix",
  cpus: 1,
  memory: 512 * 1024 ** 2,
  firmware: "bios",
  bus: "sata",
  nic: "e1000",
  guest: "linux",
} as const;

/**
 * Which ways there are from one to the other. Packages are written from disks at random access. How an image is read from
 * a pipe and how a disk that passes by is written know nothing of one another: not each pair has to be tried there.
 */
export function waysOf(from: ReadableRow, { to, piped, pair, seeks }: WritableRow): readonly Way[] {
  // Whoever says raw of a pipe means its bytes, packed or not.
  const alone =
    from.beside !== true && from.acceptDirty !== true && !(from.format === "raw" && from.packing !== undefined);
  if (!alone || to === "ova" || to === "xva" || (from.piped !== true && piped !== true)) return ["file"];
  return pair === true || seeks === true || from.piped !== true ? ["file", "pipe"] : ["file", "pipe", "forward"];
}

/** Answers the fingerprint of the disk that was read. */
export async function convertCell(
  from: ReadableRow,
  source: string,
  row: WritableRow,
  target: string,
  way: Way,
): Promise<string | null> {
  const { to, options, compress, pair } = row;
  const acceptDirty = from.acceptDirty ?? false;
  if (to === "ova" || to === "xva") {
    await using opened = await openInspection(source, { acceptDirty });
    await using sink = await createFileSink(target, { durable: false, overwrite: true });
    const { fingerprints } = await PACKAGE_WRITERS[to]({ machine: MACHINE, disks: [opened.disk], sink, options });
    return fingerprints[0] ?? null;
  }
  const sink =
    way === "forward"
      ? createStreamSink(createWriteStream(target))
      : pair === true
        ? null
        : await createFileSink(target, { durable: false, overwrite: true });
  const outcome = await convertFile({
    source,
    target,
    to,
    options,
    acceptDirty,
    overwrite: true,
    ...(sink === null ? {} : { sink }),
    ...(compress === undefined ? {} : { compress }),
    ...(way === "file" ? {} : { input: createReadStream(source, { highWaterMark: 60_000 }) }),
    ...(way !== "file" && from.format === "raw" && from.container === undefined ? { from: "raw" as const } : {}),
  });
  return outcome.fingerprint;
}
