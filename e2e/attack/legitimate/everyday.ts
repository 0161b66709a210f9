/** What people and scripts do every day: nothing of it is refused by what keeps attackers out. */
import { randomUUID } from "node:crypto";
import { until } from "#e2e/helpers/api.ts";
import { ask } from "../bench/ask.ts";
import type { Bench } from "../bench/bench.ts";
import { askForVm, choiceFor, decide, pendingRequest, readRequest } from "../bench/deploys.ts";
import { signInByBrowser } from "../bench/sessions.ts";
import { exchange } from "../bench/wire.ts";

const FILE_NAMES = [
  "Debian 12 (bookworm).raw",
  "Ünïcode 漢字.raw",
  "a.b.c.raw",
  "v1..2.raw",
  "o'neil [1].raw",
  "100% done.raw",
  "a+b=c&d.raw",
  "família 👩‍💻.raw",
  "x;y,z.raw",
  "#1.raw",
  "auxiliary.raw",
  "console.raw",
  "می‌خواهم.raw",
];
const PEOPLE = [
  "Seán O'Brien",
  "José-María Ñandú",
  "王小明",
  "Лев Толстой",
  "أحمد",
  "Dr. A. (Bob) Smith, Jr.",
  "X Æ A-12",
  "Zoë 🚀",
  "می‌خواهم",
];
const VMS = ["web-01", "web_01.example.com", "Büro 1 (alt)", "数据库", "a", "CONTROLLER", "nullable", "x.y"];

export async function everydayNames(bench: Bench): Promise<void> {
  const row = bench.tally.row("legitimate", "names of files, people and VMs");
  for (const name of FILE_NAMES) {
    const begun = await bench.beginUpload(bench.operator, name, 10);
    row.check(begun.status === 201, `a file ${name}: ${begun.status} ${begun.code ?? ""}`);
    if (begun.status === 201)
      await bench.api("DELETE", (begun.headers.location ?? "").replace("/api/v1", ""), {
        as: bench.operator,
        headers: { "tus-resumable": "1.0.0" },
      });
  }
  for (const name of PEOPLE) {
    const made = await bench.api("POST", "/users", {
      as: bench.admin,
      body: { email: `${randomUUID()}@example.test`, name, role: "auditor", password: `everyday ${randomUUID()}` },
    });
    row.check(
      made.status === 201 && (made.json as { name: string }).name === name,
      `a person ${name}: ${made.status} ${made.text.slice(0, 100)}`,
    );
  }
  const kvm = bench.hosts.find(({ vendor }) => vendor === "kvm")!;
  const template = await choiceFor(bench, kvm.id, "x");
  for (const name of VMS) {
    const answer = await askForVm(bench, bench.requester, [{ ...template, name: `${name}` }]);
    const taken = answer.code === "request.blocked" && answer.text.includes("target.name-exists");
    row.check(answer.status === 201 || taken, `a VM ${name}: ${answer.status} ${answer.text.slice(0, 160)}`);
    if (answer.status === 201)
      await bench.api("POST", `/requests/${(answer.json as { id: string }).id}/cancel`, {
        as: bench.requester,
        body: {},
      });
  }
}

/** For answers that must come, and after which the console closes. */
const PATIENCE_MS = 60_000;

export async function everydayPaths(bench: Bench): Promise<void> {
  const row = bench.tally.row("legitimate", "paths and queries with odd signs");
  const queries = [
    "/vms?q=..",
    "/vms?q=%2e%2e",
    "/vms?q=a/../b",
    "/vms?q=%25",
    "/vms?q=a%20b%2Bc",
    "/images?q=100%25",
    "/audit?q=%E6%BC%A2",
    "/audit?from=2026-01-01T00:00:00%2B01:00",
    "/jobs?q=x//y",
    "/vms?q=%5C",
  ];
  for (const path of queries) {
    const answer = await bench.api("GET", path, { as: bench.admin });
    row.check(answer.status === 200, `GET ${path}: ${answer.status} ${answer.code ?? ""}`);
  }
  for (const path of [
    "/vms/not-an-id/x",
    `/vms/${randomUUID()}/a%2Fb`,
    `/vms/${randomUUID()}/a.b..c`,
    `/vms/${randomUUID()}/%E6%BC%A2`,
    `/vms/${randomUUID()}/[datastore]%20vm%2Fvm.vmx`,
  ]) {
    const answer = await bench.api("GET", path, { as: bench.admin });
    row.check(
      answer.status === 404 || (answer.status === 400 && answer.code === "request.invalid"),
      `GET ${path}: ${answer.status} ${answer.code ?? ""}`,
    );
  }
  const { host } = new URL(bench.url);
  const line = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`;
  const pipelined = await exchange(
    bench.url,
    [line("/api/v1/health") + line("/api/v1/setup") + line("/api/v1/health", "Connection: close\r\n")],
    { quietMs: PATIENCE_MS },
  );
  row.check(
    pipelined.statuses.join() === "200,200,200",
    `three requests in one packet: ${pipelined.statuses.join(", ")}`,
  );
  const waiting = await exchange(
    bench.url,
    [
      `POST /api/v1/login HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n`,
      "{}",
    ],
    { gapMs: 300, quietMs: PATIENCE_MS, from: bench.address() },
  );
  row.check(
    waiting.statuses[0] === 100 && waiting.statuses[1] === 400,
    `Expect: 100-continue: ${waiting.statuses.join(", ")}`,
  );
  const local = await ask(bench.url, "GET", "/api/auth/csrf", {
    headers: { host: host.replace("127.0.0.1", "localhost") },
  });
  row.check(local.status === 200, `the console as localhost: ${local.status}`);
}

export async function everydaySignIns(bench: Bench): Promise<void> {
  const row = bench.tally.row("legitimate", "signing in");
  const office = bench.address();
  for (let n = 0; n < 15; n += 1) {
    const answer = await ask(bench.url, "POST", "/api/v1/login", {
      from: office,
      body: { email: bench.requester.email, password: bench.requester.password, name: "script" },
    });
    row.check(
      answer.status === 201,
      `sign-in ${n + 1} of one script with the right password: ${answer.status} ${answer.code ?? ""}`,
    );
  }
  const clumsy = await bench.newPerson("requester");
  const from = bench.address();
  for (let n = 0; n < 4; n += 1) await signInByBrowser(bench.url, { email: clumsy.email, password: "not this" }, from);
  const right = await signInByBrowser(bench.url, clumsy, from);
  row.check(right.outcome === "ok", `the right password after four wrong ones: ${right.outcome}`);
  const spelled = await signInByBrowser(
    bench.url,
    { email: ` ${clumsy.email.toUpperCase()} `, password: clumsy.password },
    bench.address(),
  );
  row.check(spelled.outcome === "ok", `the address in capitals: ${spelled.outcome}`);

  const many = bench.tally.row("legitimate", "a script that asks a lot");
  const answers = await Promise.all(
    Array.from({ length: bench.short ? 60 : 300 }, () => bench.api("GET", "/hosts", { as: bench.auditor })),
  );
  many.check(
    answers.every((answer) => answer.status === 200),
    `some of ${answers.length} reads at once: ${[...new Set(answers.map((answer) => answer.status))].join(", ")}`,
  );
  const streams = await Promise.all(
    Array.from({ length: 5 }, () => bench.api("GET", "/events", { as: bench.auditor })),
  );
  many.check(
    streams.every((answer) => answer.status === 200),
    `five tabs with events: ${streams.map((answer) => answer.status).join(", ")}`,
  );
}

export async function everydayDeploy(bench: Bench): Promise<void> {
  const row = bench.tally.row("legitimate", "a deploy by tokens");
  const request = await pendingRequest(bench, bench.requester, bench.hosts[0]!.id);
  const decided = await decide(bench, bench.operator, request, "approve");
  row.check(decided.status === 200, `approve: ${decided.status} ${decided.text.slice(0, 100)}`);
  const end = await until(
    "deploy",
    () => readRequest(bench, request.id),
    ({ status }) => !["pending", "approved", "running"].includes(status),
    120_000,
  );
  row.check(end.status === "succeeded", `it ended as ${end.status}: ${JSON.stringify(end.targets).slice(0, 300)}`);
}
