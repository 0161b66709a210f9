import type { Command } from "commander";
import { compareDisks } from "#lib/disk/compare.ts";
import { openInspection } from "#lib/disk/file-conversion.ts";
import { interruptSignal } from "../terminal/interrupt.ts";
import { progressBar } from "../terminal/progress-bar.ts";
import { parseSourceFormat } from "./convert.ts";
import { printJson, printLine } from "../terminal/output.ts";

interface CompareOptions {
  readonly from?: string;
  readonly fromB?: string;
  readonly disk?: string;
  readonly diskB?: string;
  readonly acceptDirty?: boolean;
  readonly json?: boolean;
}

export function registerCompare(program: Command): void {
  program
    .command("compare <a> <b>")
    .description("are the disks inside two images the same? names the first range that differs; reads only")
    .option("--from <format>", "format of the first, when content cannot tell (raw)")
    .option("--from-b <format>", "format of the second, when content cannot tell (raw)")
    .option("--disk <number>", "which disk of the first, if that is a package (OVA, OVF, XVA): its number or name")
    .option("--disk-b <number>", "which disk of the second")
    .option("--accept-dirty", "read images that were not closed cleanly as they are")
    .option("--json", "print as JSON")
    .action(async (a: string, b: string, options: CompareOptions) => {
      const signal = interruptSignal();
      const open = (path: string, from: string | undefined, disk: string | undefined) =>
        openInspection(path, {
          signal,
          acceptDirty: options.acceptDirty ?? false,
          ...(from === undefined ? {} : { from: parseSourceFormat(from) }),
          ...(disk === undefined ? {} : { disk }),
        });
      await using one = await open(a, options.from, options.disk);
      await using two = await open(b, options.fromB, options.diskB);
      const bar = progressBar("Comparing");
      const found = await compareDisks(one.disk, two.disk, {
        signal,
        onProgress: (progress) => bar.update(progress),
      }).finally(() => bar.end());
      if (options.json) printJson({ a, b, ...found });
      else {
        const { firstDifference, sizes } = found;
        const words = found.equal
          ? "The disks are the same."
          : [
              ...(sizes[0] === sizes[1] ? [] : [`The sizes differ: ${sizes[0]} and ${sizes[1]} bytes.`]),
              firstDifference === null
                ? "All bytes that both have are the same."
                : `The first difference is at byte ${firstDifference.offset}, ${firstDifference.length} bytes long.`,
            ].join(" ");
        printLine(words);
      }
      if (!found.equal) process.exitCode = 1;
    });
}
