import type { Command } from "commander";
import { fingerprintFile } from "#lib/disk/file-conversion.ts";
import { interruptSignal } from "../terminal/interrupt.ts";
import { progressBar } from "../terminal/progress-bar.ts";
import { parseSourceFormat } from "./convert.ts";
import { printJson, printLine } from "../terminal/output.ts";

export function registerFingerprint(program: Command): void {
  program
    .command("fingerprint <source>")
    .description("fingerprint of the disk inside an image: the same for the same disk in every format")
    .option("--from <format>", "source format, when content cannot tell (raw)")
    .option("--accept-dirty", "read a source that was not closed cleanly as it is")
    .option("--disk <number>", "which disk of a package (OVA, OVF, XVA): its number or name")
    .option("--json", "print as JSON")
    .action(
      async (source: string, options: { from?: string; disk?: string; acceptDirty?: boolean; json?: boolean }) => {
        const bar = progressBar("Reading");
        const fingerprint = await fingerprintFile(source, {
          signal: interruptSignal(),
          acceptDirty: options.acceptDirty ?? false,
          onProgress: (progress) => bar.update(progress),
          ...(options.from === undefined ? {} : { from: parseSourceFormat(options.from) }),
          ...(options.disk === undefined ? {} : { disk: options.disk }),
        }).finally(() => bar.end());
        if (options.json) printJson({ source, fingerprint });
        else printLine(`${fingerprint}  ${source}`);
      },
    );
}
