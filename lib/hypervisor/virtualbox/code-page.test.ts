import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, expect, it } from "vitest";
import { decoderOf } from "./code-page.ts";
import { LocalMachine } from "./local-machine.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "vbox-code-page-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Another's encoder. */
const encoded = (text: string, codec: string): Buffer =>
  execFileSync("python3", ["-c", "import sys; sys.stdout.buffer.write(sys.argv[1].encode(sys.argv[2]))", text, codec]);

it.each([
  [1252, "cp1252", "C:\\Users\\Jörg\\VirtualBox VMs €"],
  [1250, "cp1250", "C:\\Users\\Łukasz\\VMs"],
  [1251, "cp1251", "C:\\Users\\Иван\\ВМ"],
  [1254, "cp1254", "Şirket"],
  [932, "cp932", "C:\\Users\\田中\\仮想マシン"],
  [936, "cp936", "虚拟机"],
  [949, "cp949", "가상 머신"],
  [950, "cp950", "虛擬機"],
  [874, "cp874", "เครื่อง"],
  [65001, "utf-8", "東京 Jörg"],
])("a VBoxManage of Windows with code page %i is understood", async (codePage, codec, text) => {
  expect(decoderOf(codePage).decode(encoded(text, codec))).toBe(text);
  const program = join(folder, "VBoxManage");
  await writeFile(join(folder, "said"), encoded(text, codec));
  await writeFile(program, `#!/bin/sh\ncat "${join(folder, "said")}"\ncat "${join(folder, "said")}" >&2\n`);
  await chmod(program, 0o755);
  await using machine = new LocalMachine({ os: "windows", codePage: async () => codePage });
  const { stdout, stderr } = await machine.run(program, [], { timeoutMs: 10_000, maxBytes: 10_000 });
  expect([stdout, stderr]).toEqual([text, text]);
});
