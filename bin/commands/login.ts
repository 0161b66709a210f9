import { hostname } from "node:os";
import type { Command } from "commander";
import { z } from "zod";
import { callApi } from "../remote/api.ts";
import { writeCredentials } from "../remote/credentials.ts";
import { ask } from "../terminal/ask.ts";
import { UsageError } from "../terminal/print-error.ts";
import { printLine } from "../terminal/output.ts";

async function firstLineOfStdin(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.includes("\n") || text.length > 4096) break;
  }
  return text.split(/\r?\n/, 1)[0] ?? "";
}

export function registerLogin(program: Command): void {
  program
    .command("login <url>")
    .description("sign this machine in to a console; keeps a personal token that expires after 30 days")
    .option("--email <email>", "account")
    .option("--password-stdin", "read the password from standard input")
    .option("--token-stdin", "read a personal token from standard input instead")
    .action(async (url: string, options: { email?: string; passwordStdin?: boolean; tokenStdin?: boolean }) => {
      if (!/^https?:\/\//.test(url))
        throw new UsageError(`The address must begin with https:// or http://, not “${url}”.`);
      if (options.tokenStdin) {
        const token = await firstLineOfStdin();
        await callApi({ url, token }, "GET", "/session", z.unknown());
        printLine(`Signed in to ${url}; kept in ${await writeCredentials({ url, token })}`);
        return;
      }
      const email = options.email ?? (await ask("Email: "));
      const password = options.passwordStdin ? await firstLineOfStdin() : await ask("Password: ", true);
      const answer = await callApi({ url, token: null }, "POST", "/login", z.object({ secret: z.string() }), {
        email,
        password,
        name: `command line on ${hostname()}`.slice(0, 80),
      });
      printLine(`Signed in to ${url} as ${email}; kept in ${await writeCredentials({ url, token: answer.secret })}`);
    });
}
