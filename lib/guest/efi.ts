/** Loaders for UEFI firmware: which machine they are made for, and whether firmware finds them by itself. */
import type { EfiLoader } from "#lib/domain/guest.ts";
import { type EfiProgram, listEfiPrograms } from "./readers/fat.ts";
import type { Window } from "./window.ts";

/** UEFI specification 2.10, 3.5.1.1: the file that is started from a disk that has no boot entry. */
const FALLBACK = /^EFI\/BOOT\/BOOT(X64|IA32|AA64|ARM|IA64|RISCV64|LOONGARCH64)\.EFI$/i;

const BY_MACHINE: Readonly<Record<number, string>> = {
  0x014c: "i686",
  0x0200: "ia64",
  0x01c0: "arm",
  0x01c2: "arm",
  0x01c4: "arm",
  0x5064: "riscv64",
  0x6264: "loongarch64",
  0x8664: "x86_64",
  0xaa64: "aarch64",
};
const BY_NAME: readonly (readonly [RegExp, string])[] = [
  [/x64\.efi$/i, "x86_64"],
  [/aa64\.efi$/i, "aarch64"],
  [/ia32\.efi$/i, "i686"],
  [/riscv64\.efi$/i, "riscv64"],
  [/loongarch64\.efi$/i, "loongarch64"],
];

/** As the program's own header tells, else its name. */
function archOf({ path, head }: EfiProgram): string | null {
  const at = head.length >= 64 ? head.readUInt32LE(60) : 0;
  if (at >= 4 && at + 6 <= head.length && head.toString("latin1", at, at + 4) === "PE\0\0")
    return BY_MACHINE[head.readUInt16LE(at + 4)] ?? null;
  return BY_NAME.find(([name]) => name.test(path))?.[1] ?? null;
}

/** Those that firmware finds by itself first. */
export async function efiLoadersOn(part: Window): Promise<EfiLoader[]> {
  const loaders = (await listEfiPrograms(part)).map((program) => ({
    path: program.path,
    arch: archOf(program),
    fallback: FALLBACK.test(program.path),
  }));
  return [...loaders.filter(({ fallback }) => fallback), ...loaders.filter(({ fallback }) => !fallback)];
}
