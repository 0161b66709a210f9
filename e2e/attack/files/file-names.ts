/** Names of files as an upload gives them: plain names of one folder, or a refusal. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "../bench/bench.ts";

const device = ["CON", "PRN", "AUX", "NUL", "COM1", "LPT9", "CONIN$", "CLOCK$"];

function badNames(): Record<string, string> {
  const names: Record<string, string> = {
    empty: "",
    blanks: "   ",
    dot: ".",
    dots: "..",
    "a dot file": ".bashrc",
    "a part of ours": ".x.raw.part",
    "a trailing dot": "x.raw.",
    "a trailing blank": "x.raw ",
    "a leading blank": " x.raw",
    "too long": `${"a".repeat(300)}.raw`,
    "too long in bytes": `${"漢".repeat(100)}.raw`,
    "a stream of NTFS": "x.raw:stream",
    "half of a pair": "x\ud800.raw",
  };
  for (const way of [
    "../x",
    "../../x",
    "/etc/x",
    "x/../../y",
    "..\\x",
    "\\\\server\\x",
    "C:\\x",
    "C:x",
    "x/y",
    "..%2fx",
    "..%5cx",
    "．．／x",
    "..／x",
    "x\u2215y",
    "~/x",
    "file:///x",
  ])
    names[`a path: ${way}`] = `${way}.raw`;
  for (const name of device)
    for (const ending of ["", ".raw", " .raw"]) names[`a device: ${name}${ending}`] = `${name}${ending}`;
  names["a device in lower case"] = "nul.raw";
  for (let code = 0; code < 0x20; code += 1)
    names[`U+${code.toString(16).padStart(4, "0")}`] = `a${String.fromCharCode(code)}b.raw`;
  for (const code of [
    0x7f, 0x80, 0x85, 0x9b, 0x9f, 0xad, 0x61c, 0x200b, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2066, 0x2069,
    0xfeff, 0xfffe, 0xffff, 0xe0001,
  ])
    names[`U+${code.toString(16).padStart(4, "0")}`] = `a${String.fromCodePoint(code)}b.raw`;
  return names;
}

/** Harmless as the name of a file, whatever it looks like: they may be taken, as they are. */
const TAKEN_AS_THEY_ARE = new Set([
  "a path: ..%2fx",
  "a path: ..%5cx",
  "a path: ~/x",
  "a path: ..／x",
  "a path: ．．／x",
  "a path: x\u2215y",
  "half of a pair",
  "U+00ad",
  "U+200b",
  "U+feff",
  "U+fffe",
  "U+ffff",
  "U+e0001",
  "a stream of NTFS",
  "a path: C:x",
  "a leading blank",
  "blanks",
  "a trailing blank",
]);

export async function fileNames(bench: Bench): Promise<void> {
  const row = bench.tally.row("files", "names of uploads");
  const outside = [
    "/etc/x.raw",
    "/x.raw",
    join(bench.console.dataDir, "x.raw"),
    join(bench.console.dataDir, "..", "x.raw"),
  ];
  const before = new Set(readdirSync(bench.console.dataDir));
  for (const [kind, name] of Object.entries(badNames())) {
    const begun = await bench.beginUpload(bench.operator, name, 10);
    row.check(
      begun.status === 400 || (begun.status === 201 && TAKEN_AS_THEY_ARE.has(kind)),
      `${kind} (${JSON.stringify(name.slice(0, 40))}): ${begun.status}`,
    );
    if (begun.status === 201)
      await bench.api("DELETE", (begun.headers.location ?? "").replace("/api/v1", ""), {
        as: bench.operator,
        headers: { "tus-resumable": "1.0.0" },
      });
  }
  for (const place of outside) row.check(!existsSync(place), `${place} was written`);
  const after = readdirSync(bench.console.dataDir).filter((entry) => !before.has(entry));
  row.check(after.length === 0, `new entries in the data folder: ${after.join(", ")}`);
}

const b64 = (text: string) => Buffer.from(text).toString("base64");

/** Headers of tus that say impossible things. */
export async function uploadHeaders(bench: Bench): Promise<void> {
  const row = bench.tally.row("files", "headers of uploads");
  const tus = { "tus-resumable": "1.0.0" };
  const name = `filename ${b64("x.raw")}`;
  const lengths = [
    "-1",
    "+1",
    "1e3",
    "0x10",
    "",
    "x",
    "9".repeat(16),
    "9".repeat(30),
    "1.5",
    "1 1",
    "1,1",
    "NaN",
    "Infinity",
  ];
  for (const length of lengths) {
    const answer = await bench.api("POST", "/uploads", {
      as: bench.operator,
      headers: { ...tus, "upload-length": length, "upload-metadata": name },
    });
    row.check(answer.status >= 400 && answer.status < 500, `Upload-Length ${JSON.stringify(length)}: ${answer.status}`);
  }
  const metadata = [
    "",
    "filename",
    "filename !!!",
    `${name},${name}`,
    `${name},__proto__ ${b64("x")}`,
    `${name},constructor ${b64("x")}`,
    `${name},imageId ${b64("x")}`,
    `${name},setSize ${b64("1e9")}`,
    `${name},set ${b64("x")}`,
    `${name},from ${b64("../raw")}`,
    `${name},name ${b64("a/b")}`,
    `${name} x`,
    `,,,,`,
    `${"a ".repeat(3000)}`,
  ];
  for (const value of metadata) {
    const answer = await bench.api("POST", "/uploads", {
      as: bench.operator,
      headers: { ...tus, "upload-length": "1", "upload-metadata": value },
    });
    row.check(
      answer.status < 500 && answer.status !== 0,
      `Upload-Metadata ${JSON.stringify(value.slice(0, 60))}: ${answer.status}`,
    );
    if (answer.status === 201)
      await bench.api("DELETE", (answer.headers.location ?? "").replace("/api/v1", ""), {
        as: bench.operator,
        headers: tus,
      });
  }
  const ids = [
    "..",
    "%2e%2e",
    "x",
    "../secret.key",
    "..%2fsecret.key",
    "%2e%2e%2fsecret.key",
    "../../etc/passwd",
    "00000000-0000-0000-0000-000000000000/../x",
    "a%00b",
    "%",
  ];
  for (const id of ids)
    for (const method of ["HEAD", "PATCH", "DELETE"]) {
      const answer = await bench.api(method, `/uploads/${id}`, {
        as: bench.operator,
        headers: { ...tus, "upload-offset": "0", "content-type": "application/offset+octet-stream" },
        ...(method === "PATCH" ? { raw: "x" } : {}),
      });
      row.check(answer.status >= 400 && answer.status < 500, `${method} /uploads/${id}: ${answer.status}`);
    }
  const space = bench.tally.row("files", "space that one person can promise away");
  const free = await bench.beginUpload(bench.operator, "big.raw", 2 ** 50);
  space.check(free.status === 422, `an upload of 1 PiB: ${free.status}`);
  const greedy = await bench.newPerson("operator");
  const begun: string[] = [];
  let size = 2 ** 44;
  for (let n = 0; n < 60 && size > 2 ** 20; n += 1) {
    const answer = await bench.beginUpload(greedy, `greedy${n}.raw`, size);
    if (answer.status === 201) begun.push((answer.headers.location ?? "").replace("/api/v1", ""));
    else size = Math.floor(size / 2);
  }
  const other = await bench.beginUpload(bench.operator, "small.raw", 64 * 2 ** 20);
  space.check(
    other.status === 201,
    `another person's 64 MiB while one has promised everything without a byte: ${other.status} ${other.code ?? ""}`,
  );
  for (const path of begun) await bench.api("DELETE", path, { as: greedy, headers: tus });
  if (other.status === 201)
    await bench.api("DELETE", (other.headers.location ?? "").replace("/api/v1", ""), {
      as: bench.operator,
      headers: tus,
    });
}
