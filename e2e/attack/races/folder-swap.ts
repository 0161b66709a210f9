/** A path that leads inside when it is checked and outside when it is opened. */
import { spawn } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CANARY, type Bench } from "../bench/bench.ts";

export async function folderSwap(bench: Bench): Promise<void> {
  const row = bench.tally.row("races", "links swapped between check and open");
  const root = join(bench.folder, "swapped");
  const inside = join(root, "inside");
  const outside = join(bench.folder, "outside");
  for (const folder of [inside, outside]) mkdirSync(folder, { recursive: true });
  const secret = Buffer.alloc(8192, `outside ${CANARY} `);
  const harmless = Buffer.alloc(8192, "inside ");
  writeFileSync(join(inside, "disk.raw"), harmless);
  writeFileSync(join(outside, "disk.raw"), secret);
  const place = join(root, "place");
  symlinkSync(inside, place);
  await bench.ok("PATCH", "/settings", { as: bench.admin, body: { importFolders: [root] } });
  const swapper = spawn(process.execPath, [join(import.meta.dirname, "swap.ts"), inside, outside, place], {
    stdio: "ignore",
  });
  const deadline = Date.now() + (bench.short ? 3_000 : 25_000);
  let tries = 0;
  let taken = 0;
  try {
    while (Date.now() < deadline || tries < (bench.short ? 4 : 8)) {
      const begun = await Promise.all(
        Array.from({ length: 4 }, () =>
          bench.api("POST", "/images/import-folder", {
            as: bench.operator,
            body: { path: join(place, "disk.raw"), from: "raw" },
          }),
        ),
      );
      tries += begun.length;
      for (const answer of begun) {
        if (answer.status !== 202) {
          row.check(answer.status < 500, `import: ${answer.status} ${answer.text.slice(0, 100)}`);
          continue;
        }
        const { image } = answer.json as { image: { id: string } };
        const { latest } = await bench.settledImage(image.id);
        const disk = latest.disks[0];
        if (latest.state === "ready" && disk !== undefined) {
          const file = await bench.api("GET", `/images/${image.id}/versions/${latest.id}/disks/${disk.id}/file`, {
            as: bench.operator,
          });
          const leaked = file.bytes.includes(secret.subarray(0, 64));
          if (!leaked) taken += 1;
          row.check(!leaked, `import ${tries} read a file outside of the folder`);
        } else row.check(latest.error?.code !== "internal", `import ${tries} ended as ${latest.error?.code ?? ""}`);
        await bench.api("DELETE", `/images/${image.id}`, { as: bench.admin });
      }
    }
  } finally {
    swapper.kill("SIGKILL");
  }
  // Without one that was taken the race was never near to being run.
  if (taken === 0) row.skip(`none of ${tries} imports was taken at all: the swapper may have been too fast`);
}
