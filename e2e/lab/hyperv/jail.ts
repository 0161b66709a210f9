/** The simulated host's drives: Windows paths in a folder of this machine, without regard to case, and nowhere else. */
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

export class Jail {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Null: no path of a drive that is here. */
  local(path: string): string | null {
    const found = /^([A-Za-z]):\\(.*)$/.exec(path.replaceAll("/", "\\"));
    if (found === null) return null;
    let here = join(this.folder, (found[1] ?? "").toUpperCase());
    if (!existsSync(here)) return null;
    const parts = (found[2] ?? "").split("\\").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..")) return null;
    for (const part of parts) {
      const there =
        existsSync(here) && statSync(here).isDirectory()
          ? readdirSync(here).find((name) => name.toLowerCase() === part.toLowerCase())
          : undefined;
      here = join(here, there ?? part);
    }
    return here;
  }

  exists(path: string): boolean {
    const local = this.local(path);
    return local !== null && existsSync(local);
  }

  makeFolder(path: string): void {
    const local = this.local(path);
    if (local === null) throw new Error(`no drive for ${path}`);
    mkdirSync(local, { recursive: true });
  }
}
