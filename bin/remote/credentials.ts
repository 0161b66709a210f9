/** Where `login` keeps the console's address and the personal token: one file, readable by its owner only. */
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { AppError } from "#lib/errors.ts";

const Credentials = z.object({ url: z.string(), token: z.string() });
export type Credentials = z.infer<typeof Credentials>;

function credentialsPath(): string {
  return join(process.env["XDG_CONFIG_HOME"] ?? join(homedir(), ".config"), "supravisor", "credentials.json");
}

/** SUPRAVISOR_URL and SUPRAVISOR_TOKEN go before the file, for scripts. Throws `cli.not-signed-in`. */
export async function readCredentials(): Promise<Credentials> {
  const url = process.env["SUPRAVISOR_URL"];
  const token = process.env["SUPRAVISOR_TOKEN"];
  if (url !== undefined && token !== undefined) return { url, token };
  try {
    return Credentials.parse(JSON.parse(await readFile(credentialsPath(), "utf8")));
  } catch (cause) {
    throw new AppError("unauthenticated", "cli.not-signed-in", "This machine is not signed in to a console.", {
      hint: "Run `supravisor login URL`, or set SUPRAVISOR_URL and SUPRAVISOR_TOKEN.",
      cause,
    });
  }
}

export async function writeCredentials(credentials: Credentials): Promise<string> {
  const path = credentialsPath();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(path, `${JSON.stringify(credentials)}\n`, { mode: 0o600 });
  await chmod(path, 0o600);
  return path;
}
