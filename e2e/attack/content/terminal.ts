/** Names on the screen of the command line: whatever was stored, the terminal gets text. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import type { Bench } from "../bench/bench.ts";
import { askForVm, choiceFor } from "../bench/deploys.ts";
import { TERMINAL_NAMES } from "./hostile-names.ts";

const root = join(import.meta.dirname, "..", "..", "..");
/** Control characters beside the line feed that a table needs, and what turns text around. */
const ACTIVE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

function commandLine(bench: Bench, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(join(root, "node_modules", "node", "bin", "node"), ["bin/supravisor.ts", ...args], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        SUPRAVISOR_URL: bench.url,
        SUPRAVISOR_TOKEN: bench.admin.token,
        XDG_CONFIG_HOME: bench.folder,
      },
    });
    let out = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (out += chunk.toString("utf8")));
    child.on("close", () => resolve(out));
    child.on("error", (error) => resolve(`could not run: ${error.message}`));
  });
}

export async function terminal(bench: Bench): Promise<void> {
  const stored = bench.tally.row("content", "names with control characters that were stored");
  const { admin } = bench;
  const hostId = bench.hosts[0]!.id;
  const demo = { driver: "demo", connection: { transport: "demo", vendor: "kvm" } };
  const choice = await choiceFor(bench, hostId, `plain-${randomUUID().slice(0, 6)}`);
  const made: { undo: string; method: string; body?: unknown }[] = [];
  for (const [kind, name] of Object.entries(TERMINAL_NAMES).filter((_, n) => !bench.short || n % 3 === 0)) {
    const places: Record<string, () => Promise<{ status: number; json: unknown; text: string }>> = {
      "a host": () =>
        bench.api("POST", "/hosts", { as: admin, body: { name: `${name} ${made.length}`, target: demo } }),
      "an account": () =>
        bench.api("POST", "/users", {
          as: admin,
          body: { email: `${randomUUID()}@example.test`, name, role: "auditor", password: `x ${randomUUID()}` },
        }),
      "an image": () => bench.api("PATCH", `/images/${bench.image.id}`, { as: admin, body: { name } }),
      "a VM": () => askForVm(bench, bench.requester, [{ ...choice, name }]),
      "a token": () =>
        bench.api("POST", "/tokens", {
          as: admin,
          body: { name, role: "auditor", expiresInDays: 1 },
          showsSecret: true,
        }),
    };
    for (const [place, store] of Object.entries(places)) {
      const answer = await store();
      // What is stored without its active characters is as good as refused.
      const kept =
        answer.status < 300 &&
        ACTIVE.test(
          JSON.stringify(answer.json)
            .replaceAll(/\\u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
            .replaceAll("\\b", "\b")
            .replaceAll("\\r", "\r"),
        );
      stored.check(!kept, `${kind} as the name of ${place}: ${answer.status}`);
      const { id } = (answer.json ?? {}) as { id?: string };
      if (answer.status < 300 && place === "a host" && id !== undefined)
        made.push({ undo: `/hosts/${id}`, method: "DELETE" });
      if (answer.status < 300 && place === "a VM" && id !== undefined)
        made.push({ undo: `/requests/${id}/cancel`, method: "POST", body: {} });
    }
  }
  const shown = bench.tally.row("content", "tables and messages of the command line");
  const unknown = `${TERMINAL_NAMES["escape: title"]!.replace("\u0007", "")}`;
  const commands = [
    ["host", "list"],
    ["image", "list"],
    ["request", "list"],
    ["vm", "list"],
    ["deploy", unknown, "--to", unknown],
    ["image", "import", `/nowhere/${unknown}`],
    ["inspect", `/nowhere/${unknown}`],
    ["nonsense", unknown],
    [unknown],
  ];
  for (const args of bench.short ? commands.filter((_, n) => n % 4 === 0) : commands) {
    const out = await commandLine(bench, args);
    const found = ACTIVE.exec(out);
    shown.check(
      found === null,
      `supravisor ${args.slice(0, 2).join(" ").replaceAll("\u001b", "^[")}: writes U+${found?.[0].codePointAt(0)?.toString(16).padStart(4, "0") ?? ""}`,
    );
    shown.check(!/could not run|at .*\(file:/.test(out), `supravisor ${args[0] ?? ""}: ${out.slice(0, 200)}`);
  }
  for (const { undo, method, body } of made)
    await bench.api(method, undo, { as: admin, ...(body === undefined ? {} : { body }) });
  await bench.api("PATCH", `/images/${bench.image.id}`, { as: admin, body: { name: `image ${randomUUID()}` } });
}
