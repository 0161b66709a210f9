/** The embedded engine gives its files to everybody, whatever the umask: its folder is closed, and they are as well. */
import { chmod, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

const GROUP_AND_OTHERS = 0o077;

/** Takes away what group and others may do with the folder and all in it. A file that goes meanwhile does not matter. */
export async function ownerOnly(folder: string): Promise<void> {
  for (const path of [folder, ...(await readdir(folder, { recursive: true })).map((name) => join(folder, name))]) {
    try {
      const { mode } = await lstat(path);
      if ((mode & GROUP_AND_OTHERS) !== 0) await chmod(path, mode & 0o777 & ~GROUP_AND_OTHERS);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    }
  }
}
