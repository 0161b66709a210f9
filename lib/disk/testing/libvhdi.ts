/** libyal's reader of VHD and VHDX, which knows chains: the oracle where qemu-img has no word for a parent. */
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";

/** Debian's, where its python3-libvhdi is; another one may come first on the path. */
const PYTHON = "/usr/bin/python3";

const SCRIPT = `
import sys, pyvhdi
out, names = sys.argv[1], sys.argv[2:]
files = []
for name in names:
    file = pyvhdi.file()
    file.open(name)
    files.append(file)
for child, parent in zip(files, files[1:]):
    child.set_parent(parent)
top = files[0]
with open(out, "wb") as target:
    size, at = top.get_media_size(), 0
    while at < size:
        piece = top.read_buffer_at_offset(min(1 << 20, size - at), at)
        target.seek(at)
        target.write(piece)
        at += len(piece)
`;

/** null: it is there. Else the reason why tests with it are skipped. */
export function libvhdiMissing(): string | null {
  const found = spawnSync(PYTHON, ["-c", "import pyvhdi"], { stdio: "ignore", timeout: 20_000 });
  return found.status === 0 ? null : "python3-libvhdi is not installed";
}

/** The disk of a chain, the topmost file first, as a raw file beside them. */
export function readByLibvhdi(folder: string, out: string, names: readonly string[]): string {
  execFileSync(PYTHON, ["-c", SCRIPT, out, ...names], { cwd: folder, stdio: "pipe", timeout: 60_000 });
  return join(folder, out);
}
