/** Names of VMs on their way to each kind of host: a name stays a name, or is refused. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { until } from "#e2e/helpers/api.ts";
import type { Bench } from "../bench/bench.ts";
import { askForVm, choiceFor, decide, readRequest, type Made } from "../bench/deploys.ts";
import { COMMAND_NAMES, TERMINAL_NAMES } from "./hostile-names.ts";

const PATHS = [
  "..",
  ".",
  "../../x",
  "..\\..\\x",
  "/etc/x",
  "C:\\x",
  "CON",
  "nul.txt",
  "com1",
  "x.",
  "x ",
  " x",
  "a".repeat(80),
  "a".repeat(5000),
  "\u0000",
  "x/y",
];

export async function namesOnHosts(bench: Bench): Promise<void> {
  const refused = bench.tally.row("content", "names of VMs that no host should get");
  const [first] = bench.hosts;
  const template = await choiceFor(bench, first!.id, "x");
  const bad = [
    ...Object.values(TERMINAL_NAMES),
    "..",
    ".",
    "../../x",
    "..\\..\\x",
    "/etc/x",
    "C:\\x",
    "CON",
    "nul",
    "com1",
    "a".repeat(5000),
    "x/y",
    "",
    "   ",
  ];
  for (const host of bench.hosts)
    for (const name of bad) {
      const answer = await askForVm(bench, bench.requester, [{ ...template, hostId: host.id, name }]);
      // Another choice of this host's may be what is wrong; the name has to be among it.
      refused.check(
        answer.status >= 400 && answer.status < 500,
        `${JSON.stringify(name).slice(0, 60)} on ${host.name}: ${answer.status}`,
      );
      if (answer.status === 201)
        await bench.api("POST", `/requests/${(answer.json as Made).id}/cancel`, { as: bench.admin, body: {} });
    }

  const row = bench.tally.row("content", "names of VMs that are commands elsewhere");
  const before = new Set(readdirSync(bench.console.dataDir));
  const all = [...COMMAND_NAMES, ...PATHS];
  for (const [position, host] of bench.hosts.entries()) {
    // Deploys take their time: each name goes to one of the hosts, and in the short form a few of them do.
    const names = all.filter((_, n) => n % bench.hosts.length === position && (!bench.short || n % 4 === 0));
    const made: Made[] = [];
    for (const name of names) {
      const choice = await choiceFor(bench, host.id, `${name}`.slice(0, 60));
      const answer = await askForVm(bench, bench.requester, [choice]);
      if (answer.status === 201) made.push(answer.json as Made);
      else row.check(answer.status < 500, `${JSON.stringify(name)} on ${host.name}: ${answer.status}`);
    }
    for (const request of made) await decide(bench, bench.operator, request, "approve");
    for (const request of made) {
      const end = await until(
        "request",
        () => readRequest(bench, request.id),
        ({ status }) => !["pending", "approved", "running"].includes(status),
        120_000,
      );
      const { name } = (end.targets[0] as unknown as { choice: { name: string } }).choice;
      const error = (end.targets[0] as unknown as { error: { code: string } | null }).error;
      row.check(error?.code !== "internal", `${JSON.stringify(name)} on ${host.name}: ${error?.code ?? ""}`);
      if (end.status !== "succeeded") continue;
      const { items } = await until(
        "the VM in the inventory",
        () => bench.ok<{ items: { name: string }[] }>("GET", `/vms?host=${host.id}&limit=1000`, { as: bench.admin }),
        (answer) => answer.items.some((vm) => vm.name === name),
        15_000,
      ).catch(() => ({ items: [] }));
      row.check(items.length > 0, `${JSON.stringify(name)} on ${host.name} became another name`);
    }
  }
  row.check(!existsSync(join(process.cwd(), "PWNED")), "a command was run");
  const after = readdirSync(bench.console.dataDir).filter((entry) => !before.has(entry));
  row.check(after.length === 0, `new entries in the data folder: ${after.join(", ")}`);
}
