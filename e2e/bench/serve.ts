/**
 * A file that does not exist beside one that does: a disk given out in another format over HTTP against the same file
 * served by nginx, and an NBD export of it against nbdkit's. Ratios of wall times, ours / theirs, of alternating runs;
 * 0.9 of nginx's speed is a ratio of 1.11. Both sides run for all of a row, so their start is in no run.
 * Usage: node e2e/bench/serve.ts [MiB of data, 512] [runs, 5]
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { convertFile } from "#lib/disk/file-conversion.ts";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { makeRawDisk } from "./measure/source-disk.ts";
import { timeProgram, type Run } from "./measure/timed-program.ts";
import { printHead, printRow } from "./measure/verdicts.ts";

const HTTP_BAR = 1 / 0.9;
const NBD_BAR = 1;
const data = Number(process.argv[2] ?? 512);
const runs = Number(process.argv[3] ?? 5);
const FORMATS: readonly DiskFormatId[] = ["raw", "vmdk", "vhdx", "qcow2"];

const folder = mkdtempSync(join(tmpdir(), "supravisor-serve-"));
const raw = join(folder, "disk.raw");
const children: ChildProcess[] = [];

function start(program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  return child;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Our own serve command, as a person starts it. */
async function serve(as: DiskFormatId, ...more: readonly string[]): Promise<{ url: string; child: ChildProcess }> {
  const bin = fileURLToPath(new URL("../../bin/supravisor.ts", import.meta.url));
  const child = start(process.execPath, [
    bin,
    "serve",
    raw,
    "--from",
    "raw",
    "--as",
    as,
    "--port",
    "0",
    "--json",
    ...more,
  ]);
  const [line] = (await once(child.stdout ?? child, "data")) as [Buffer];
  return { url: (JSON.parse(line.toString("utf8")) as { url: string }).url, child };
}

async function nginx(): Promise<string> {
  const port = await freePort();
  const conf = join(folder, "nginx.conf");
  writeFileSync(
    conf,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/error.log; user root;
events {} http { access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;
client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder};
scgi_temp_path ${folder}; server { listen 127.0.0.1:${port}; root ${folder}; } }`,
  );
  start("nginx", ["-p", folder, "-c", conf]);
  await delay(500);
  return `http://127.0.0.1:${port}`;
}

async function compare(name: string, bar: number, ours: () => Run, theirs: () => Run): Promise<number> {
  const [mine, others]: [Run[], Run[]] = [[], []];
  // The first of each warms the cache.
  ours();
  theirs();
  for (let run = 0; run < runs; run++) {
    others.push(theirs());
    mine.push(ours());
  }
  return printRow({ name, ours: mine, theirs: others, bar }) ? 0 : 1;
}

const get = (url: string) => () => timeProgram("curl", ["-sf", "-o", "/dev/null", url]);
const copy = (uri: string) => () => timeProgram("nbdcopy", [uri, "null:"]);

let missed = 0;
try {
  makeRawDisk(raw, data);
  process.stdout.write(`${data} MiB of data in a disk of ${data * 4} MiB, ${runs} runs each; cpu is the client's\n`);
  printHead("theirs");
  const web = await nginx();
  for (const as of FORMATS) {
    const file = join(folder, `file.${as}`);
    await convertFile({ source: raw, from: "raw", target: file, to: as, options: {}, fingerprint: false });
    const { url, child } = await serve(as);
    missed += await compare(`HTTP ${as}, nginx`, HTTP_BAR, get(url), get(`${web}/file.${as}`));
    child.kill();
    const port = await freePort();
    const kit = start("nbdkit", ["-f", "-r", "-i", "127.0.0.1", "-p", String(port), "file", file]);
    const nbd = await serve(as, "--nbd");
    await delay(300);
    missed += await compare(`NBD ${as}, nbdkit file`, NBD_BAR, copy(nbd.url), copy(`nbd://127.0.0.1:${port}`));
    kit.kill();
    nbd.child.kill();
    rmSync(file, { force: true });
  }
  process.stdout.write(missed === 0 ? "all bars kept\n" : `${missed} bars missed\n`);
} finally {
  for (const child of children) child.kill();
  rmSync(folder, { recursive: true, force: true });
}
