import { posix, win32 } from "node:path";
import type { ChainPlace } from "../chain-files.ts";
import type { HostMachine, MachineOs } from "./host-machine.ts";

/** How the machine joins and cuts its paths. */
export const pathsOf = (os: MachineOs): Pick<typeof posix, "join" | "dirname" | "basename"> =>
  os === "windows" ? win32 : posix;

export const placeOf = (machine: HostMachine): ChainPlace => ({ files: machine.files, paths: pathsOf(machine.os) });

/** Two spellings of one path there. Windows and macOS do not tell capitals apart. */
export function samePath(os: MachineOs, a: string, b: string): boolean {
  const plain = (path: string): string => (os === "windows" ? win32.normalize(path) : posix.normalize(path));
  const [left, right] = [plain(a), plain(b)];
  return os === "linux" ? left === right : left.toLowerCase() === right.toLowerCase();
}
