import { addAbortSignal } from "node:stream";
import type { Command } from "commander";
import { PACKAGE_WRITERS } from "#lib/disk/containers/write.ts";
import { convertFile } from "#lib/disk/file-conversion.ts";
import { createStreamSink } from "#lib/disk/files/stream-sink.ts";
import { DISK_FORMATS, DiskFormatId, SOURCE_FORMATS, SourceFormatId } from "#lib/domain/disk-format.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { interruptSignal } from "../terminal/interrupt.ts";
import { UsageError } from "../terminal/print-error.ts";
import { progressOf } from "../terminal/progress.ts";
import { convertToPackage, isPackageKind, machineOptions, type MachineWords } from "./convert-package.ts";
import { note, notesOf } from "../terminal/notes.ts";
import { printJson, printLine } from "../terminal/output.ts";

/** `--option k=v`, given any number of times. Numbers and booleans become such; sizes keep their letter. */
export function collectOption(text: string, all: Record<string, unknown>): Record<string, unknown> {
  const equals = text.indexOf("=");
  if (equals < 1) throw new UsageError(`--option takes name=value, not “${text}”.`);
  const value = text.slice(equals + 1);
  const size = /^(\d+)([kMG])?$/.exec(value);
  const factor = { k: 1024, M: 1024 ** 2, G: 1024 ** 3 }[size?.[2] ?? ""] ?? 1;
  const parsed =
    size === null
      ? value === "on" || value === "true"
        ? true
        : value === "off" || value === "false"
          ? false
          : value
      : Number(size[1]) * factor;
  return { ...all, [text.slice(0, equals)]: parsed };
}

/** Of a target. */
export function parseFormat(text: string): DiskFormatId {
  const parsed = DiskFormatId.safeParse(byQemu(text));
  if (parsed.success) return parsed.data;
  throw new UsageError(
    SourceFormatId.safeParse(text).success
      ? `${text} is read, not written. Written: ${DISK_FORMATS.join(", ")}.`
      : `Unknown format “${text}”. Known: ${DISK_FORMATS.join(", ")}.`,
  );
}

export function parseSourceFormat(text: string): SourceFormatId {
  const parsed = SourceFormatId.safeParse(byQemu(text));
  if (!parsed.success) throw new UsageError(`Unknown format “${text}”. Known: ${SOURCE_FORMATS.join(", ")}.`);
  return parsed.data;
}

const byQemu = (text: string): string => (text === "vpc" ? "vhd" : text);

interface ConvertOptions extends MachineWords {
  readonly to: string;
  readonly from?: string;
  readonly disk?: string;
  readonly machine?: string;
  readonly configuration?: string;
  readonly acceptDirty?: boolean;
  readonly option: Record<string, unknown>;
  readonly force?: boolean;
  readonly share?: boolean;
  readonly fingerprint: boolean;
  readonly resume?: boolean;
  readonly compress?: string;
  readonly progress?: string;
  readonly json?: boolean;
}

const TARGETS = [...DISK_FORMATS, ...Object.keys(PACKAGE_WRITERS)].join(", ");

export function registerConvert(program: Command): void {
  const command = program
    .command("convert <files...>")
    .usage("[options] <source> <target>")
    .description("convert a disk image; works without a server")
    .requiredOption("--to <format>", `target format: ${TARGETS}`)
    .option("--from <format>", "source format, when content cannot tell (raw)")
    .option("--accept-dirty", "read a source that was not closed cleanly as it is")
    .option("--disk <number>", "which disk of a package (OVA, OVF, XVA): its number or name")
    .option("--machine <name>", "which machine of a package that holds several: its name or number")
    .option("--configuration <id>", "which configuration of a machine that has several; its default when absent")
    .option("--option <name=value>", "option of the target format, as qemu-img calls it", collectOption, {})
    .option("--force", "replace the target if it exists")
    .option("--share", "let the target name the source's file instead of copying it, where the formats allow")
    .option("--no-fingerprint", "leave the fingerprint out: a plain copy takes half the time")
    .option("--resume", "keep what was written when it ends early, and go on from what an earlier attempt has left")
    .option("--compress <packing>", "pack the whole target file: zst")
    .option("--progress <how>", "bar, json (a line of JSON on stderr twice a second) or none")
    .option("--json", "print the outcome as JSON, and progress as JSON lines on stderr")
    .addHelpText(
      "after",
      "\n- as source is standard input, - as target standard output. .gz, .bz2, .xz, .zst and .zip are read as what is in them.\n" +
        "An OVA or XVA takes several sources, and all disks of a source that is a package itself; - is standard output.",
    );
  machineOptions(command).action(async (files: string[], options: ConvertOptions) => {
    const target = files.at(-1);
    const sources = files.slice(0, -1);
    const [source] = sources;
    if (target === undefined || source === undefined) throw new UsageError("convert takes a source and a target.");
    const { to, from, disk, option, force } = options;
    if (isPackageKind(to)) {
      await convertToPackage({
        ...options,
        sources,
        target,
        to,
        from: from === undefined ? null : parseSourceFormat(from),
        disk: disk ?? null,
        machine: options.machine ?? null,
        configuration: options.configuration ?? null,
        options: option,
        overwrite: force ?? false,
      });
      return;
    }
    if (sources.length > 1) throw new UsageError("Only an OVA or XVA takes several sources.");
    await convertToImage(source, target, parseFormat(to), options);
  });
}

async function convertToImage(
  source: string,
  target: string,
  to: DiskFormatId,
  options: ConvertOptions,
): Promise<void> {
  const { compress } = options;
  if (compress !== undefined && compress !== "zst") throw new UsageError("--compress takes zst.");
  if (source === "-" && process.stdin.isTTY) throw new UsageError("- reads standard input, which is a terminal.");
  if (target === "-" && process.stdout.isTTY) throw new UsageError("- writes to standard output, which is a terminal.");
  const json = options.json === true;
  const progress = progressOf(options, `Converting to ${to}`);
  const started = Date.now();
  const signal = interruptSignal();
  const notes: string[] = [];
  const outcome = await convertFile({
    source: source === "-" ? "standard input" : source,
    target: target === "-" ? "standard output" : target,
    // A wait for a pipe that says nothing ends with the signal, too.
    ...(source === "-" ? { input: addAbortSignal(signal, process.stdin) } : {}),
    ...(target === "-" ? { sink: createStreamSink(process.stdout) } : {}),
    ...(compress === undefined ? {} : { compress }),
    to,
    options: options.option,
    overwrite: options.force ?? false,
    share: options.share ?? false,
    acceptDirty: options.acceptDirty ?? false,
    fingerprint: options.fingerprint,
    resume: options.resume ?? false,
    signal,
    onOpened: async ({ facts, disk }) => {
      notes.push(...(await notesOf(facts, disk, signal)));
      for (const text of notes) note(text, json);
    },
    onProgress: (now) => progress.update(now),
    onSpool: (reason) => note(`The disk is kept in a temporary file meanwhile: ${reason}.`, json),
    ...(options.from === undefined ? {} : { from: parseSourceFormat(options.from) }),
    ...(options.disk === undefined ? {} : { disk: options.disk }),
    machine: options.machine ?? null,
    configuration: options.configuration ?? null,
  }).finally(() => progress.end());
  const seconds = (Date.now() - started) / 1000;
  // Standard output may be the disk itself.
  const out = target === "-" ? process.stderr : process.stdout;
  if (json) {
    printJson({ source, target, format: to, seconds, notes, ...outcome }, out);
    return;
  }
  const facts = [
    to,
    formatBytes(outcome.fileLength),
    ...(outcome.fingerprint === null ? [] : [`fingerprint ${outcome.fingerprint}`]),
    ...(outcome.sharedWith === null ? [] : [`shares ${outcome.sharedWith}: what is written to one is in both`]),
    ...(outcome.resumedAt === undefined || outcome.resumedAt === 0
      ? []
      : [`resumed after ${formatBytes(outcome.resumedAt)}`]),
    `${seconds.toFixed(1)} s`,
  ];
  printLine(`${target}: ${facts.join(", ")}`, out);
}
