/** Import from a folder: what links, pipes and devices in it, and settings around it, can make the console read. */
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { CANARY, type Bench } from "../bench/bench.ts";

async function tryImport(
  bench: Bench,
  path: string,
): Promise<{ status: number; code: string | null; bytes: Buffer | null }> {
  const begun = await bench.api("POST", "/images/import-folder", {
    as: bench.operator,
    body: { path, from: "raw" },
    timeoutMs: 15_000,
  });
  if (begun.status !== 202) return { status: begun.status, code: begun.code, bytes: null };
  const { image } = begun.json as { image: { id: string } };
  const { latest } = await bench.settledImage(image.id);
  const disk = latest.disks[0];
  const file =
    latest.state === "ready" && disk !== undefined
      ? await bench.api("GET", `/images/${image.id}/versions/${latest.id}/disks/${disk.id}/file`, {
          as: bench.operator,
          showsSecret: true,
        })
      : null;
  await bench.api("DELETE", `/images/${image.id}`, { as: bench.admin });
  return { status: 202, code: latest.error?.code ?? null, bytes: file?.bytes ?? null };
}

export async function importFolders(bench: Bench): Promise<void> {
  const row = bench.tally.row("files", "imports of what lies outside of the folder");
  const root = join(bench.folder, "allowed");
  const outside = join(bench.folder, "not-allowed");
  for (const folder of [join(root, "sub"), outside, `${root}-beside`]) mkdirSync(folder, { recursive: true });
  const secret = join(outside, "secret.raw");
  writeFileSync(secret, Buffer.alloc(4096, `outside ${CANARY} `));
  writeFileSync(join(`${root}-beside`, "x.raw"), Buffer.alloc(4096, 1));
  writeFileSync(join(root, "right.raw"), Buffer.alloc(4096, 2));
  const { dataDir } = bench.console;
  const keys = ["secret.key", "auth.key"].map((name) => join(dataDir, name));
  symlinkSync(secret, join(root, "link.raw"));
  symlinkSync(outside, join(root, "folder"));
  symlinkSync("/", join(root, "slash"));
  symlinkSync("/proc/self", join(root, "self"));
  symlinkSync(join(root, "loop-b"), join(root, "loop-a"));
  symlinkSync(join(root, "loop-a"), join(root, "loop-b"));
  symlinkSync("/dev/zero", join(root, "zero.raw"));
  symlinkSync("/dev/stdin", join(root, "stdin.raw"));
  const hard: string[] = [];
  for (const key of keys) {
    symlinkSync(key, join(root, `link-${basename(key)}`));
    try {
      linkSync(key, join(root, `hard-${basename(key)}`));
      hard.push(join(root, `hard-${basename(key)}`));
    } catch {
      row.skip(`no hard link to ${basename(key)} can be made here`);
    }
  }
  execFileSync("mkfifo", [join(root, "pipe.raw")]);
  await bench.ok("PATCH", "/settings", { as: bench.admin, body: { importFolders: [root] } });
  const paths = [
    secret,
    ...keys,
    ...hard,
    ...keys.map((key) => join(root, `link-${basename(key)}`)),
    ...[
      "link.raw",
      "folder/secret.raw",
      "slash/etc/passwd",
      `slash${secret}`,
      "self/environ",
      "self/cmdline",
      "loop-a",
      "zero.raw",
      "stdin.raw",
      "pipe.raw",
      "sub",
      ".",
      "",
      "nowhere.raw",
    ].map((name) => `${root}/${name}`),
    `${root}/../not-allowed/secret.raw`,
    `${root}/sub/../../not-allowed/secret.raw`,
    `${root}/./../not-allowed/./secret.raw`,
    `${root}-beside/x.raw`,
    `${root}//../not-allowed//secret.raw`,
    `${root}/right.raw/../../not-allowed/secret.raw`,
    `${root}/right.raw\u0000`,
    `/proc/self/root${secret}`,
    `/proc/self/cwd/package.json`,
    `/proc/${process.pid}/environ`,
    "/dev/zero",
    "/dev/mem",
    "/etc/passwd",
    "relative.raw",
    "~/x.raw",
    `file://${secret}`,
  ];
  for (const path of bench.short ? paths.filter((_, n) => n < 5 || n % 4 === 0) : paths) {
    const { status, code, bytes } = await tryImport(bench, path);
    row.check(
      bytes === null && ((status >= 400 && status < 500) || (status === 202 && code !== null && code !== "internal")),
      `${path.replace(bench.folder, "…").replace(dataDir, "DATA")}: ${status} ${code ?? ""}${bytes === null ? "" : ", and it was read"}`,
    );
    const list = await bench.api("GET", `/images/folders?path=${encodeURIComponent(dirname(path))}`, {
      as: bench.operator,
    });
    const inside = dirname(path).startsWith(root) && !dirname(path).includes("..");
    row.check(
      list.status >= 400 || inside || list.text === '{"items":[]}',
      `list of ${dirname(path).replace(bench.folder, "…")}: ${list.status} ${list.text.slice(0, 80)}`,
    );
  }
  const { bytes } = await tryImport(bench, `${root}/right.raw`);
  bench.tally
    .row("files", "imports of what lies inside")
    .check(bytes?.length === 4096, `right.raw: ${bytes?.length ?? "refused"}`);

  const settings = bench.tally.row("files", "import folders that hold what nobody may import");
  symlinkSync(dataDir, join(bench.folder, "data-link"));
  const bad = [
    "/",
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/proc/self",
    "/etc",
    dataDir,
    `${dataDir}/`,
    dirname(dataDir),
    join(dataDir, "library"),
    join(dataDir, "db"),
    join(bench.folder, "data-link"),
    `${root}/../../..`,
    `//`,
    `/./`,
    `/proc/../proc/self/root`,
    "relative",
    "",
  ];
  for (const folder of bench.short ? bad.filter((_, n) => n % 4 === 0) : bad) {
    const answer = await bench.api("PATCH", "/settings", { as: bench.admin, body: { importFolders: [folder] } });
    let read = "";
    if (answer.status === 200)
      for (const key of keys) {
        const spelled = folder.includes("data-link") ? join(folder, basename(key)) : key;
        if ((await tryImport(bench, spelled)).bytes !== null) read = `, and ${basename(key)} was read`;
      }
    // An ancestor may be taken as long as nothing of the data folder is given out.
    settings.check(
      answer.status >= 400 || (read === "" && dirname(dataDir) === folder.replace(/\/$/, "") && folder !== "/"),
      `${folder.replace(bench.folder, "…").replace(dataDir, "DATA")}: ${answer.status}${read}`,
    );
  }
  await bench.ok("PATCH", "/settings", { as: bench.admin, body: { importFolders: [] } });
}
