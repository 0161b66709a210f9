import type { Command } from "commander";
import { openInspection } from "#lib/disk/file-conversion.ts";
import { inspectGuest } from "#lib/guest/inspect.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { interruptSignal } from "../terminal/interrupt.ts";
import { table } from "../terminal/table.ts";
import { parseFormat } from "./convert.ts";

export function registerInspect(program: Command): void {
  program
    .command("inspect <source>")
    .description("tell what a disk image is and what guest it holds; reads only")
    .option("--from <format>", "source format, when content cannot tell (raw)")
    .option("--json", "print as JSON")
    .action(async (source: string, options: { from?: string; json?: boolean }) => {
      const signal = interruptSignal();
      await using opened = await openInspection(source, {
        signal,
        ...(options.from === undefined ? {} : { from: parseFormat(options.from) }),
      });
      const { facts } = opened;
      const guest = await inspectGuest(opened.disk, signal);
      if (options.json) {
        process.stdout.write(`${JSON.stringify({ ...facts, guest }, null, 2)}\n`);
        return;
      }
      const boots = [guest.boots.bios ? "BIOS" : "", guest.boots.uefi ? "UEFI" : ""].filter(Boolean).join(" and ");
      process.stdout.write(
        [
          `format        ${facts.format} (${facts.variant})`,
          `virtual size  ${formatBytes(facts.virtualSize)} (${facts.virtualSize} bytes)`,
          `files         ${facts.files.join(", ")}`,
          ...Object.entries(facts.details).map(([name, value]) => `${name.padEnd(13)} ${String(value)}`),
          `partitions    ${guest.partitionTable === "none" ? "no table" : guest.partitionTable.toUpperCase()}`,
          `boots with    ${boots || "nothing found"}`,
          `guest         ${guest.os === null ? "unknown" : guest.os.name}`,
          ...[...facts.notes, ...guest.notes].map((note) => `note          ${note}`),
          "",
        ].join("\n"),
      );
      if (guest.partitions.length > 0) {
        process.stdout.write(
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
    });
}
