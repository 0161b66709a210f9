/** Files that are a part of something, told by the names that all programs give them. */
import { AppError } from "#lib/errors.ts";
import { refused } from "../image-error.ts";
import type { ImageFile } from "../io.ts";

/** How a part that was cut by size is called, and the one behind it. */
const CUT: readonly (readonly [name: RegExp, next: (last: string) => string])[] = [
  // disk.vmdk.001, disk.7z.001
  [/^(.+\.)(\d{3})()$/, (last) => String(Number(last) + 1).padStart(3, "0")],
  // disk.part1.rar, disk.vmdk.part01
  [/^(.+\.part)(\d{1,4})((?:\.[a-z]{2,4})?)$/i, (last) => String(Number(last) + 1).padStart(last.length, "0")],
  // disk.z01, disk.r00
  [/^(.+\.[zr])(\d{2})()$/i, (last) => String(Number(last) + 1).padStart(2, "0")],
  // disk.vmdk.aa, of split(1)
  [/^(.+[.\-_])(a[a-z])()$/, (last) => `a${String.fromCharCode(last.charCodeAt(1) + 1)}`],
];

interface Cut {
  /** The whole file's name, where the part's tells it. */
  readonly whole: string;
  readonly next: string;
}

function cutName(name: string): Cut | null {
  for (const [pattern, next] of CUT) {
    const [, before, number, after] = pattern.exec(name) ?? [];
    if (before === undefined || number === undefined) continue;
    return {
      whole: before.replace(/\.(part|[zr])?$|[-_]$/i, "") || name,
      next: `${before}${next(number)}${after ?? ""}`,
    };
  }
  return null;
}

/** Throws `image.part` when the next part of a file that was cut by size lies beside this one. */
export async function refuseJoined(image: ImageFile): Promise<void> {
  const cut = cutName(image.name);
  if (cut === null) return;
  const there = (await image.siblings?.()) ?? [];
  if (there.includes(cut.next)) throw cutPart(image.name, cut);
}

/** What ends too early under the name of a part is that part, not a damaged file. */
export function inPartWords({ name }: ImageFile, error: unknown): unknown {
  const cut = error instanceof AppError && error.code === "image.truncated" ? cutName(name) : null;
  return cut === null ? error : cutPart(name, cut);
}

function cutPart(name: string, { whole, next }: Cut): Error {
  return refused(
    name,
    0,
    "image.part",
    `is one part of a file that was cut into several; ${next} is the next one`,
    /\.(7z|rar|zip)$/i.test(whole) || /\.(rar|[zr]\d\d)$/i.test(name)
      ? "Unpack the archive with all its parts beside one another, and bring the disk that is in it."
      : `Join the parts in their order (cat, or copy /b on Windows) to ${whole}, and bring that.`,
  );
}

/** Throws `image.part` for what is of no known format by its content, and a part by its name. */
export function refuseKnownPart({ name }: ImageFile): void {
  const vmdk = /^(.+)-(flat|delta|sesparse|rdmp?|ctk|[fs]\d{3})\.vmdk$/i.exec(name);
  if (vmdk !== null) {
    const [, stem = "", kind = ""] = vmdk;
    throw refused(
      name,
      0,
      "image.part",
      VMDK_PARTS[kind.toLowerCase()] ?? "is one part of a disk that was split into several files",
      `Open its descriptor, the small text file ${stem}.vmdk, with all files of the disk beside it.`,
    );
  }
  if (/\.hds$/i.test(name)) {
    throw refused(
      name,
      0,
      "image.part",
      "is the data of a Parallels disk and does not tell its size and its place",
      "Open the folder that it came from (.hdd), or DiskDescriptor.xml with all its files beside it.",
    );
  }
  if (/\.vmem$/i.test(name)) {
    throw refused(
      name,
      0,
      "image.not-a-disk",
      "is the memory of a VMware machine, not a disk",
      "Bring the disk of the machine, its .vmdk.",
    );
  }
  const cut = cutName(name);
  if (cut !== null) throw cutPart(name, cut);
}

const VMDK_PARTS: Readonly<Record<string, string>> = {
  flat: "is the data of a VMDK of two files, without its descriptor",
  delta: "is the data of a snapshot, without its descriptor",
  sesparse: "is the data of a snapshot, without its descriptor",
  rdm: "stands for a device of an ESXi host and holds no data",
  rdmp: "stands for a device of an ESXi host and holds no data",
  ctk: "is a list of the blocks that were changed (change tracking), not a disk",
};
