import type { Command } from "commander";
import type { OpenedContainer } from "#lib/disk/containers/container.ts";
import { openContainer } from "#lib/disk/containers/open.ts";
import { openGiven } from "#lib/disk/files/open-given.ts";
import { openInspection } from "#lib/disk/file-conversion.ts";
import type { ImageFacts } from "#lib/disk/format.ts";
import { HOLDER_LABEL } from "#lib/domain/container.ts";
import { diskNotes } from "#lib/domain/disk-notes.ts";
import type { GuestFacts } from "#lib/domain/guest.ts";
import { DISK_BUS_LABEL, NIC_MODEL_LABEL } from "#lib/domain/hardware.ts";
import { inspectGuest } from "#lib/guest/inspect.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { interruptSignal } from "../terminal/interrupt.ts";
import { table } from "../terminal/table.ts";
import { parseSourceFormat } from "./convert.ts";
import { printJson, printLines } from "../terminal/output.ts";

interface InspectOptions {
  readonly from?: string;
  readonly disk?: string;
  readonly machine?: string;
  readonly configuration?: string;
  readonly acceptDirty?: boolean;
  readonly json?: boolean;
}

export function registerInspect(program: Command): void {
  program
    .command("inspect <source>")
    .description("tell what a disk image or a package of a machine is and what guest it holds; reads only")
    .option("--from <format>", "source format, when content cannot tell (raw)")
    .option("--accept-dirty", "read a source that was not closed cleanly as it is")
    .option("--disk <number>", "one disk of a package (OVA, OVF, XVA): its number or name")
    .option("--machine <name>", "which machine of a package that holds several: its name or number")
    .option("--configuration <id>", "which configuration of a machine that has several; its default when absent")
    .option("--json", "print as JSON")
    .action(async (source: string, options: InspectOptions) => {
      const signal = interruptSignal();
      if (options.from === undefined && options.disk === undefined && (await inspectPackage(source, options, signal)))
        return;
      await using opened = await openInspection(source, {
        signal,
        acceptDirty: options.acceptDirty ?? false,
        ...(options.from === undefined ? {} : { from: parseSourceFormat(options.from) }),
        ...(options.disk === undefined ? {} : { disk: options.disk }),
        machine: options.machine ?? null,
        configuration: options.configuration ?? null,
      });
      const { facts } = opened;
      const guest = await inspectGuest(opened.disk, { image: facts, signal });
      if (options.json) printJson({ ...facts, guest }, process.stdout, 2);
      else printLines(diskWords(facts, guest));
    });
}

/** False: the file is no package. */
async function inspectPackage(source: string, options: InspectOptions, signal: AbortSignal): Promise<boolean> {
  await using image = await openGiven(source, { acceptDirty: options.acceptDirty ?? false });
  await using container = await openContainer(image, signal, options);
  if (container === null) return false;
  const disks: (ImageFacts & { entry: string; label: string; guest: GuestFacts })[] = [];
  for (const { entry, label, open } of container.disks) {
    await using opened = await open({ signal });
    disks.push({
      ...opened.facts,
      entry,
      label,
      guest: await inspectGuest(opened.disk, { image: opened.facts, signal }),
    });
  }
  const { kind, machine, undecided, hints, files, details, notes } = container;
  if (options.json) {
    printJson({ kind, machine, machines: undecided, hints, files, details, notes, disks }, process.stdout, 2);
    return true;
  }
  printLines([
    ...packageWords(container),
    ...disks.flatMap(({ entry, label, guest, ...facts }, i) => [
      "",
      `disk ${i + 1}        ${named(entry, label)}`,
      ...diskWords(facts, guest),
    ]),
  ]);
  return true;
}

/** The name that `--disk` takes, and where the machine has the disk. */
const named = (entry: string, label: string): string => (label.startsWith(entry) ? label : entry);

function packageWords(container: OpenedContainer): string[] {
  const { hints } = container;
  const hardware = [
    hints.cpus === null ? "" : `${hints.cpus} CPU`,
    hints.memory === null ? "" : `${formatBytes(hints.memory)} memory`,
    hints.firmware === null ? "" : hints.firmware.toUpperCase(),
    hints.bus === null ? "" : DISK_BUS_LABEL[hints.bus],
    hints.nic === null ? "" : NIC_MODEL_LABEL[hints.nic],
  ].filter(Boolean);
  return [
    `package       ${HOLDER_LABEL[container.kind]} of ${container.disks.length} disk${container.disks.length === 1 ? "" : "s"}`,
    container.undecided.length === 0
      ? `machine       ${container.machine ?? "unnamed"}`
      : `machines      ${container.undecided.join(", ")} (--machine says which)`,
    `hardware      ${hardware.join(", ") || "not described"}`,
    ...(container.files.length === 0 ? [] : [`files         ${container.files.join(", ")}`]),
    ...Object.entries(container.details).map(([name, value]) => `${name.padEnd(13)} ${String(value)}`),
    ...container.notes.map((note) => `note          ${note}`),
  ];
}

function diskWords(facts: ImageFacts, guest: GuestFacts): string[] {
  const boots = [guest.boots.bios ? "BIOS" : "", guest.boots.uefi ? "UEFI" : ""].filter(Boolean).join(" and ");
  const words = [
    `format        ${facts.format} (${facts.variant})`,
    `virtual size  ${formatBytes(facts.virtualSize)} (${facts.virtualSize} bytes)`,
    `files         ${facts.files.join(", ")}`,
    ...(facts.parents === undefined ? [] : [`parents       ${facts.parents.join(" ← ")}`]),
    ...Object.entries(facts.details).map(([name, value]) => `${name.padEnd(13)} ${String(value)}`),
    `partitions    ${guest.partitionTable === "none" ? "no table" : guest.partitionTable.toUpperCase()}${guest.sectorSize === 512 ? "" : `, ${guest.sectorSize / 1024} KiB sectors`}`,
    `boots with    ${boots || "nothing found"}`,
    ...guest.bootEvidence.map((evidence) => `              ${evidence}`),
    `guest         ${guest.os === null ? "unknown" : guest.os.name}`,
    ...diskNotes(facts.notes, guest).map((note) => `note          ${note}`),
  ];
  if (guest.partitions.length === 0) return words;
  return words.concat(
    table(
      ["#", "start", "length", "type", "file system", "label"],
      guest.partitions.map((p) => [
        String(p.index),
        String(p.start),
        formatBytes(p.length),
        p.type,
        p.fileSystem ?? "?",
        p.label ?? "",
      ]),
      "",
    ),
  );
}
