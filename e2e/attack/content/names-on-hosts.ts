/** Names of VMs on their way to each kind of host: a name stays a name, or is refused. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { until } from "#e2e/helpers/api.ts";
import { HypervSimulator } from "#e2e/lab/hyperv/simulator.ts";
import { XapiSimulator } from "#e2e/lab/xapi/simulator.ts";
import type { Bench } from "../bench/bench.ts";
import { askForVm, choiceFor, decide, readRequest, type Made } from "../bench/deploys.ts";
import type { RowTally } from "../bench/tally.ts";
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
  for (const host of bench.short ? bench.hosts.slice(0, 1) : bench.hosts) {
    const template = await choiceFor(bench, host.id, "x");
    for (const name of bad) {
      const answer = await askForVm(bench, bench.requester, [{ ...template, name }]);
      refused.check(
        answer.status >= 400 && answer.status < 500,
        `${JSON.stringify(name).slice(0, 60)} on ${host.name}: ${answer.status}`,
      );
      if (answer.status === 201)
        await bench.api("POST", `/requests/${(answer.json as Made).id}/cancel`, { as: bench.admin, body: {} });
    }
  }

  const row = bench.tally.row("content", "names of VMs that are commands elsewhere");
  const before = new Set(readdirSync(bench.console.dataDir));
  const all = [...COMMAND_NAMES, ...PATHS];
  for (const [position, host] of bench.hosts.entries()) {
    // Deploys take their time: each name goes to one of the hosts, and in the short form a few of them do.
    const names = all.filter((_, n) => n % bench.hosts.length === position && (!bench.short || n % 9 === 0));
    await deployNames(bench, row, host, names);
  }
  row.check(!existsSync(join(process.cwd(), "PWNED")), "a command was run");
  const after = readdirSync(bench.console.dataDir).filter((entry) => !before.has(entry));
  row.check(after.length === 0, `new entries in the data folder: ${after.join(", ")}`);
}

/** Deploys one VM of each name. What becomes of it is the name itself or a refusal in words. */
async function deployNames(
  bench: Bench,
  row: RowTally,
  host: { readonly id: string; readonly name: string },
  names: readonly string[],
): Promise<void> {
  const made: Made[] = [];
  for (const name of names) {
    const choice = await choiceFor(bench, host.id, name);
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

const online = (bench: Bench, id: string) =>
  until(
    "the host online",
    () => bench.ok<{ state: string }>("GET", `/hosts/${id}`, { as: bench.admin }),
    ({ state }) => state === "online",
    60_000,
  );

/** The same on the simulators of products whose protocols are more than a folder: queries, scripts, XML. */
export async function namesOnSimulators(bench: Bench): Promise<void> {
  const row = bench.tally.row("content", "names of VMs on simulated Hyper-V and XenServer");
  await using hyperv = await HypervSimulator.start();
  const xapi = await XapiSimulator.start();
  const [member] = xapi.members;
  const targets = [
    {
      name: "hyperv",
      secret: { password: hyperv.password },
      target: {
        driver: "hyperv",
        connection: {
          transport: "https",
          host: "localhost",
          port: hyperv.httpsPort,
          user: hyperv.user,
          certificate: hyperv.fingerprint,
        },
      },
    },
    {
      name: "xapi",
      secret: { password: xapi.password },
      target: {
        driver: "xapi",
        connection: {
          transport: "https",
          host: member!.address,
          port: xapi.port,
          user: xapi.user,
          certificate: member!.fingerprint,
        },
      },
    },
  ];
  try {
    for (const body of targets) {
      const { id } = await bench.ok<{ id: string }>("POST", "/hosts", { as: bench.admin, body });
      await online(bench, id);
      await deployNames(bench, row, { id, name: body.name }, COMMAND_NAMES);
      await bench.api("DELETE", `/hosts/${id}`, { as: bench.admin });
    }
  } finally {
    xapi.stop();
  }
}
