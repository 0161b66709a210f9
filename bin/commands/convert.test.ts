import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Scratch } from "#lib/disk/testing/scratch.ts";

const MIB = 1024 ** 2;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
const program = new URL("../supravisor.ts", import.meta.url).pathname;

beforeAll(() => {
  scratch.raw("disk.raw", 20 * MIB, [[MIB, 3 * MIB]]);
  scratch.qemuImg("convert", "-f", "raw", "-O", "qcow2", "disk.raw", "disk.qcow2");
});

/** Under a shell, which has pipes. `convert` stands for the program. */
function shell(line: string) {
  const command = `convert() { ${process.execPath} ${program} convert "$@"; }; set -o pipefail; ${line}`;
  return spawnSync("bash", ["-c", command], { cwd: scratch.folder, encoding: "utf8", timeout: 50_000 });
}

it("standard input and output, packed on the way in and on the way out", () => {
  const done = shell("gzip -c disk.qcow2 | convert - - --to vhdx --compress zst --json | zstd -q -d > out.vhdx");
  expect(done.status).toBe(0);
  scratch.qemuImg("compare", "-f", "raw", "-F", "vhdx", "disk.raw", "out.vhdx");
  const lines = done.stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines.at(-1)).toMatchObject({ format: "vhdx", fingerprint: expect.stringMatching(/^sv1:/) });
  expect(lines.find((line) => "note" in line)?.["note"]).toMatch(/kept in a temporary file/);
  expect(lines.filter((line) => "progress" in line).at(-1)).toMatchObject({ progress: { secondsLeft: 0 } });
});

it("a reader that goes away: exit code 1 and a sentence, no stack", () => {
  const done = shell("convert disk.qcow2 - --to raw --progress none | head -c 1000 > /dev/null");
  expect(done.status).toBe(1);
  expect(done.stderr).toMatch(/\[io\.reader-gone\]/);
  expect(done.stderr).not.toMatch(/\n\s+at /);
});

it("standard output on a full disk: exit code 1 and a sentence, no stack", () => {
  for (const line of ["convert disk.qcow2 - --to raw --progress none > /dev/full", "convert --help > /dev/full"]) {
    const done = shell(line);
    expect(done.status).toBe(1);
    expect(done.stderr).toMatch(/no space is left there\. \[io\.no-space\]\n.*no whole file/);
    expect(done.stderr).not.toMatch(/\n\s+at /);
  }
});

it("a package is never written over a file that it is made of", () => {
  scratch.qemuImg("create", "-q", "-f", "qcow2", "-b", "disk.qcow2", "-F", "qcow2", "top.qcow2");
  const before = readFileSync(scratch.path("disk.qcow2"));
  for (const [sources, target] of [
    ["disk.qcow2", "disk.qcow2"],
    ["top.qcow2", "disk.qcow2"],
    [". --disk top.qcow2", "disk.qcow2"],
  ]) {
    const done = shell(`convert ${sources} ${target} --to ova --force --progress none`);
    expect(done.stderr).toMatch(/\[io\.same-file\]/);
  }
  expect(readFileSync(scratch.path("disk.qcow2")).equals(before)).toBe(true);
});

it("resume: the same words once more; --json prints one line on standard output", () => {
  const done = shell("convert disk.qcow2 r.vdi --to vdi --resume --json --progress none");
  expect(JSON.parse(done.stdout)).toMatchObject({ target: "r.vdi", resumedAt: 0 });
  expect(done.stderr).toBe("");
  scratch.qemuImg("compare", "-f", "raw", "-F", "vdi", "disk.raw", "r.vdi");
  expect(readdirSync(scratch.folder).filter((name) => name.startsWith("."))).toEqual([]);
  const refused = shell(
    "convert disk.qcow2 x.vmdk --to vmdk --option subformat=streamOptimized --resume --json --progress none",
  );
  expect(refused.status).toBe(1);
  expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: "options.not-resumable" } });
  expect(shell("convert disk.qcow2 x.raw --to raw --compress lzma").status).toBe(2);
});

it("a package heeds --progress and --json as an image does", () => {
  const quiet = shell("convert disk.qcow2 q.ova --to ova --progress none");
  expect(quiet).toMatchObject({ status: 0, stderr: "" });
  const told = shell("convert disk.qcow2 - --to xva --json > told.xva");
  const lines = told.stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines[0]).toHaveProperty("progress");
  expect(lines.at(-1)).toMatchObject({ format: "xva", fingerprints: [expect.stringMatching(/^sv1:/)] });
});

it("what is known of the disk is said, as inspect says it", () => {
  scratch.qemuImg("convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on", "disk.raw", "whole.vhd");
  const shorter = readFileSync(scratch.path("whole.vhd")).subarray(0, -512);
  writeFileSync(scratch.path("lost.vhd"), shorter);
  const told = shell("convert lost.vhd n.qcow2 --to qcow2 --progress none");
  expect(told).toMatchObject({
    status: 0,
    stderr: expect.stringMatching(/^note: The footer at the end is missing.*\n$/),
  });
  for (const to of ["vmdk", "ova"]) {
    const json = shell(`convert lost.vhd n.${to} --to ${to} --progress none --json`);
    const notes = [expect.stringMatching(/^The footer at the end is missing/)];
    expect(JSON.parse(json.stderr)).toEqual({ note: notes[0] });
    expect(JSON.parse(json.stdout)).toMatchObject({ notes });
  }
});

it("the options in the documentation are the options that there are", () => {
  const text = readFileSync(new URL("../../docs/convert.md", import.meta.url), "utf8");
  for (const option of [
    "--to qcow2 --option compression=zstd --option cluster_size=128k",
    "--to vmdk --option subformat=monolithicSparse --option adapter_type=ide",
  ]) {
    for (const [, name] of option.matchAll(/--option (\w+)=/g)) expect(text).toContain(`\`${name ?? ""}\``);
    const done = shell(`convert disk.qcow2 o.img --force --progress none ${option}`);
    expect(done.stderr).toBe("");
    expect(done.status).toBe(0);
  }
});
