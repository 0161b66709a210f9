/** `convert … --to ova` and `--to xva`: disks of images and packages into one package of a machine. */
import { basename, extname } from "node:path";
import type { Command } from "commander";
import type { ContainedImage } from "#lib/disk/containers/container.ts";
import { openContainer } from "#lib/disk/containers/open.ts";
import { requireMachine } from "#lib/disk/containers/ova/choice.ts";
import type { PackedMachine } from "#lib/disk/containers/package.ts";
import { PACKAGE_WRITERS, type PackageKind } from "#lib/disk/containers/write.ts";
import { openInspection } from "#lib/disk/file-conversion.ts";
import { createFileSink } from "#lib/disk/files/file-sink.ts";
import { refuseOwnFile } from "#lib/disk/files/own-file.ts";
import { openGiven } from "#lib/disk/files/open-given.ts";
import { createStreamSink } from "#lib/disk/files/stream-sink.ts";
import { CONTAINER_LABEL } from "#lib/domain/container.ts";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import { DISK_BUSES, DiskBus, Firmware, NIC_MODELS, NicModel } from "#lib/domain/hardware.ts";
import { diskNotes } from "#lib/domain/disk-notes.ts";
import type { GuestFacts } from "#lib/domain/guest.ts";
import type { HardwareHints } from "#lib/domain/image.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { inspectGuest } from "#lib/guest/inspect.ts";
import { interruptSignal } from "../terminal/interrupt.ts";
import { UsageError } from "../terminal/print-error.ts";
import { progressOf, type ProgressWords } from "../terminal/progress.ts";
import { note } from "../terminal/notes.ts";
import { printJson, printLines } from "../terminal/output.ts";

/** What the person said of the machine, as text. */
export interface MachineWords {
  readonly name?: string;
  readonly cpus?: string;
  readonly memory?: string;
  readonly firmware?: string;
  readonly bus?: string;
  readonly nic?: string;
}

export interface PackRequest extends MachineWords, ProgressWords {
  readonly sources: readonly string[];
  /** `-` is standard output. */
  readonly target: string;
  readonly to: PackageKind;
  readonly from: SourceFormatId | null;
  readonly disk: string | null;
  readonly machine: string | null;
  readonly configuration: string | null;
  readonly options: Record<string, unknown>;
  readonly overwrite: boolean;
}

export function isPackageKind(text: string): text is PackageKind {
  return Object.hasOwn(PACKAGE_WRITERS, text);
}

export function machineOptions(command: Command): Command {
  return command
    .option("--name <name>", "of the machine in an OVA or XVA")
    .option("--cpus <number>", "its processors")
    .option("--memory <size>", "its memory, e.g. 4G")
    .option("--firmware <firmware>", `bios or uefi; as the disk boots when absent`)
    .option("--bus <bus>", `bus of its disks: ${DISK_BUSES.join(", ")}`)
    .option("--nic <model>", `its network card: none, ${NIC_MODELS.join(", ")}`);
}

const GIB = 1024 ** 3;
const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: GIB };

function parseMemory(text: string): number {
  const parts = /^(\d{1,15})([kmg]?)(?:i?b)?$/i.exec(text);
  const bytes = Number(parts?.[1]) * (UNITS[parts?.[2]?.toLowerCase() ?? ""] ?? Number.NaN);
  if (!Number.isSafeInteger(bytes) || bytes < 1024 ** 2) throw new UsageError(`“${text}” is no size of memory.`);
  return bytes;
}

function parseCpus(text: string): number {
  const cpus = Number(text);
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > 4096) throw new UsageError(`“${text}” is no number of processors.`);
  return cpus;
}

function parseWord<T>(
  word: string,
  schema: { safeParse(text: string): { data?: T; success: boolean } },
  what: string,
): T {
  const parsed = schema.safeParse(word);
  if (!parsed.success || parsed.data === undefined) throw new UsageError(`“${word}” is no ${what}.`);
  return parsed.data;
}

interface Opened {
  /** From the folder of the source on. */
  readonly files: readonly string[];
  /** Of the package. */
  readonly notes: readonly string[];
  readonly disks: readonly ContainedImage[];
  readonly machine: string | null;
  readonly hints: HardwareHints | null;
}

/** All disks of a package, or the one that was asked for, or the image itself. `stack` closes them. */
async function openSource(
  path: string,
  request: PackRequest,
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Opened> {
  if (request.from === null && request.disk === null) {
    const image = stack.use(await openGiven(path));
    const container = await openContainer(image, signal, request);
    if (container !== null) {
      stack.use(container);
      requireMachine(path, container.undecided);
      const disks: ContainedImage[] = [];
      for (const disk of container.disks) disks.push(stack.use(await disk.open({ signal, check: true })));
      const inner = container.inFolder ? disks.flatMap(({ facts }) => facts.files) : [];
      return {
        files: [...container.files, ...inner],
        notes: container.notes,
        disks,
        machine: container.machine,
        hints: container.hints,
      };
    }
  }
  const opened = await openInspection(path, {
    signal,
    check: true,
    ...(request.from === null ? {} : { from: request.from }),
    ...(request.disk === null ? {} : { disk: request.disk }),
    machine: request.machine,
    configuration: request.configuration,
  });
  return { files: opened.facts.files, notes: [], disks: [stack.use(opened)], machine: null, hints: null };
}

/** What was said, then what the package said, then what the first disk tells. */
function machineOf(request: PackRequest, opened: readonly Opened[], guest: GuestFacts | null): PackedMachine {
  const described = opened.find(({ hints }) => hints !== null);
  const hints = described?.hints;
  const boots = guest?.boots.uefi === true && !guest.boots.bios ? "uefi" : "bios";
  const named = request.target === "-" ? (request.sources[0] ?? "") : request.target;
  const { firmware, bus, nic } = request;
  return {
    name: request.name ?? described?.machine ?? basename(named, extname(named)),
    cpus: request.cpus === undefined ? (hints?.cpus ?? 2) : parseCpus(request.cpus),
    memory: request.memory === undefined ? (hints?.memory ?? 2 * GIB) : parseMemory(request.memory),
    firmware: firmware === undefined ? (hints?.firmware ?? boots) : parseWord(firmware, Firmware, "firmware"),
    bus: bus === undefined ? (hints?.bus ?? null) : parseWord(bus, DiskBus, "bus"),
    nic: nic === undefined ? (hints?.nic ?? "e1000") : nic === "none" ? null : parseWord(nic, NicModel, "network card"),
    guest: guest?.os?.family ?? "other",
  };
}

export async function convertToPackage(request: PackRequest): Promise<void> {
  const signal = interruptSignal();
  const { sources, target, to } = request;
  await using stack = new AsyncDisposableStack();
  const opened: Opened[] = [];
  for (const path of sources) {
    const source = await openSource(path, request, stack, signal);
    if (target !== "-") await refuseOwnFile(path, source.files, target);
    opened.push(source);
  }
  const images = opened.flatMap(({ disks }) => disks);
  const guests: GuestFacts[] = [];
  for (const { facts, disk } of images) guests.push(await inspectGuest(disk, { image: facts, signal }));
  const notes = [
    ...opened.flatMap((source) => source.notes),
    ...images.flatMap(({ facts }, i) =>
      diskNotes(facts.notes, guests[i] ?? null).map((text) => (images.length === 1 ? text : `disk ${i + 1}: ${text}`)),
    ),
  ];
  for (const text of notes) note(text, request.json === true);
  const machine = machineOf(request, opened, guests[0] ?? null);
  const bar = progressOf(request, `Packing ${CONTAINER_LABEL[to]}`);
  const started = Date.now();
  await using sink =
    target === "-" ? createStreamSink(process.stdout) : await createFileSink(target, { overwrite: request.overwrite });
  const outcome = await PACKAGE_WRITERS[to]({
    machine,
    disks: images.map(({ disk }) => disk),
    sink,
    options: request.options,
    signal,
    onProgress: (progress) => bar.update(progress),
    beforeCommit: async (stop) => {
      for (const image of images) await image.verify?.(stop);
    },
  }).finally(() => bar.end());
  const seconds = (Date.now() - started) / 1000;
  // Standard output is the file itself then.
  const out = target === "-" ? process.stderr : process.stdout;
  if (request.json === true) {
    printJson({ sources, target, format: to, machine, seconds, notes, ...outcome }, out);
    return;
  }
  printLines(
    [
      `${target}: ${to}, ${formatBytes(outcome.fileLength)}, ${seconds.toFixed(1)} s`,
      ...outcome.fingerprints.map((print, i) => `disk ${i + 1}        ${print}`),
    ],
    out,
  );
}
