import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, writeFileSync } from "node:fs";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { tarImage } from "../../testing/archives.ts";
import { Scratch } from "../../testing/scratch.ts";
import { filesOfTar } from "../files/package-files.ts";
import { promisesOf } from "./promises.ts";
import { readManifest } from "./read.ts";

const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

const DISK = "the bytes of a disk";
const hash = (algorithm: string): string => createHash(algorithm).update(DISK).digest("hex");

async function promises(text: string, names: readonly string[] = ["d.vmdk"]) {
  const files = await filesOfTar(tarImage("a.ova", Object.fromEntries(names.map((name) => [name, DISK]))));
  return promisesOf("a.ova", 0, readManifest("a.ova", 0, text), files);
}

it("every digest that OpenSSL and the GNU tools write is read, whatever they call it", async () => {
  const folder = mkdtempSync(join(scratch.folder, "sums-"));
  writeFileSync(join(folder, "d.vmdk"), DISK);
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, [...args, "d.vmdk"], { cwd: folder, encoding: "utf8" });
  const ids = ["sha1", "sha224", "sha256", "sha384", "sha512", "sha512-256", "sha3-256", "sha3-512", "blake2b512"];
  const written = [
    ...ids.flatMap((id) => [run("openssl", "dgst", `-${id}`), run("openssl", "dgst", "-c", `-${id}`)]),
    run("openssl", "dgst", "-r", "-sha256"),
    ...["md5sum", "sha1sum", "sha224sum", "sha256sum", "sha384sum", "sha512sum"].flatMap((program) => [
      run(program),
      run(program, "-b"),
      run(program, "--tag"),
    ]),
    run("b2sum", "--tag"),
  ];
  for (const text of written) {
    const { promised, notes } = await promises(text);
    expect(notes, text).toEqual([]);
    expect(promised, text).toHaveLength(1);
    expect(promised[0]?.digest, text).toBe(hash(promised[0]?.algorithm ?? ""));
  }
});

it("names with backslashes and line breaks as sha256sum marks them", () => {
  const folder = mkdtempSync(join(scratch.folder, "names-"));
  for (const name of ["a\\b.img", "a\nb.img"]) writeFileSync(join(folder, name), DISK);
  const names = readdirSync(folder);
  for (const args of [[], ["--tag"]]) {
    const text = execFileSync("sha256sum", [...args, ...names], { cwd: folder, encoding: "utf8" });
    expect(readManifest("a.ova", 0, text).lines.map(({ entry }) => entry)).toEqual(names);
  }
});

it("the same name as other tools and systems write it", async () => {
  const digest = hash("sha256");
  const accent = "Größe.vmdk".normalize("NFC");
  for (const [written, name] of [
    ["./d.vmdk", "d.vmdk"],
    [".\\d.vmdk", "d.vmdk"],
    ["D.VMDK", "d.vmdk"],
    ['"d.vmdk"', "d.vmdk"],
    [" d.vmdk ", "d.vmdk"],
    ["my%20disk.vmdk", "my disk.vmdk"],
    ["my disk.vmdk", "my disk.vmdk"],
    [accent.normalize("NFD"), accent],
    ["/tmp/build/d.vmdk", "d.vmdk"],
    ["C:\\export\\d.vmdk", "d.vmdk"],
    ["a (1)= b.vmdk", "a (1)= b.vmdk"],
  ] as const) {
    const { promised, notes } = await promises(`\ufeffSHA256(${written})= ${digest}\r\n`, [name]);
    expect(notes, written).toEqual([]);
    expect(promised, written).toMatchObject([{ entry: name, digest }]);
  }
});

it("what is not verified is said", async () => {
  const digest = hash("sha256");
  const said = async (text: string, names?: string[]) => (await promises(text, names)).notes.join("\n");
  expect(await said(`SHA256(gone.vmdk)= ${digest}`)).toMatch(/lists gone\.vmdk, which is not there/);
  expect(await said(`md_gost12_256(d.vmdk)= ${digest}`)).toMatch(/gives md_gost12_256 of d\.vmdk.*not verified/);
  expect(await said("Signature follows:")).toMatch(/line that is not understood.*Signature follows/);
  // Two files of two folders, of which the package has one.
  const both = await promises(`SHA256(/a/d.vmdk)= ${digest}\nSHA256(/b/d.vmdk)= ${"0".repeat(64)}\n`);
  expect(both.promised).toEqual([]);
  expect(both.notes.join()).toMatch(/several files named d\.vmdk.*not verified/);
  expect(await said("x\n".repeat(100))).not.toHaveLength(0);
});

it("a digest that is cut off, and two that contradict each other, are damage", () => {
  const line = `SHA256(d.vmdk)= ${hash("sha256")}`;
  for (const text of [line.slice(0, -1), line.slice(0, 20), `${line}\nSHA256(d.vmdk)= ${"0".repeat(64)}`])
    expect(() => readManifest("a.ova", 0, text)).toThrow(expect.objectContaining({ code: "image.corrupt" }));
  expect(readManifest("a.ova", 0, `${line}\n\n# made by hand\n${line}\n`).lines).toHaveLength(1);
});
