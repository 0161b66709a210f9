/** Every operation with bodies, ids and queries that are almost right: it answers as it says it does. */
import { randomUUID } from "node:crypto";
import { headersFor, readOperations, targetFor, type Operation } from "../bench/api-document.ts";
import type { Answer } from "../bench/ask.ts";
import type { Bench } from "../bench/bench.ts";
import { misfit } from "../bench/sample.ts";
import type { RowTally } from "../bench/tally.ts";
import { HOSTILE, mutant, RAW_BODIES, seeded, type Random } from "./mutate.ts";

/** A peer that cannot be reached, or a full disk, is no fault of ours. */
const FOREIGN = new Set([502, 503, 507]);
const INSIDES =
  /\bat \S+ \(?(file|node):|node_modules|Failed query|\bselect\b.+\bfrom\b|syntax error at|PGlite|drizzle/i;

const IDS = [
  "..",
  ".",
  "%00",
  "%2e%2e%2f",
  "x",
  "0",
  "-1",
  "null",
  "undefined",
  "[object Object]",
  "'",
  "%ff",
  "%F0%9F%92%A9",
  "a".repeat(3000),
  "00000000-0000-0000-0000-000000000000",
  "00000000-0000-0000-0000-00000000000g",
  "{}",
  "*",
  "%25%30%30",
];

interface Rows {
  readonly status: RowTally;
  readonly shape: RowTally;
  readonly schema: RowTally;
}

export async function fuzzOperations(bench: Bench): Promise<void> {
  const rows: Rows = {
    status: bench.tally.row("fuzz", "answers that are our own failure, or show our insides"),
    shape: bench.tally.row("fuzz", "errors in another shape"),
    schema: bench.tally.row("fuzz", "answers that do not fit what is described"),
  };
  const operations = (await readOperations(bench.url)).filter(({ name }) => name !== "GET /events");
  const seed = 20261130;
  const random = seeded(seed);
  const rounds = bench.short ? 3 : 40;
  const person = await bench.newPerson("administrator");
  let token = person.token;
  const victims = await makeVictims(bench);
  for (const operation of operations) {
    for (let round = 0; round < rounds; round += 1) {
      const call = mutated(operation, random, round, victims);
      let answer = await bench.api(operation.method, call.path, { as: token, ...call.options, showsSecret: true });
      // Some operations end the session that asks.
      if (
        answer.status === 401 &&
        operation.name !== "POST /login" &&
        (await bench.api("GET", "/session", { as: token })).status === 401
      ) {
        const again = await bench.newPerson("administrator");
        token = again.token;
        answer = await bench.api(operation.method, call.path, { as: token, ...call.options, showsSecret: true });
      }
      judge(operation, `${operation.name} round ${round} (seed ${seed}): ${call.what}`, answer, rows);
    }
  }
  await cleanUp(bench);
}

interface Call {
  readonly path: string;
  readonly what: string;
  readonly options: { headers: Record<string, string>; raw?: string };
}

function mutated(operation: Operation, random: Random, round: number, victims: Readonly<Record<string, string>>): Call {
  const pick = <T>(list: readonly T[]): T => list[random.next(list.length)]!;
  const noun = operation.path.split("/")[1] ?? "";
  const usual = (name: string) => (name === "id" || name === "hostId" ? (victims[noun] ?? randomUUID()) : randomUUID());
  const oddId = operation.path.includes("{") && round % 4 === 1;
  let path = oddId ? operation.path.replaceAll(/\{\w+\}/g, () => encodeOnce(pick(IDS))) : targetFor(operation, usual);
  const query = operation.parameters.filter((p) => p.in === "query");
  if (query.length > 0 && round % 4 !== 0) {
    const pairs = query
      .filter(() => random.next(2) === 0)
      .map((p) => `${p.name}=${encodeURIComponent(wellFormed(pick(HOSTILE)).slice(0, 400))}`);
    path = `${path.split("?", 1)[0] ?? ""}?${pairs.join("&")}`;
  }
  const headers = {
    ...headersFor(operation),
    "content-type": headersFor(operation)["content-type"] ?? "application/json",
  };
  if (operation.body === null) return { path, what: path.slice(0, 200), options: { headers } };
  const raw = round % 5 === 4 ? pick(RAW_BODIES) : JSON.stringify(mutant(operation.body, random));
  return { path, what: `${path.slice(0, 100)} ${raw.slice(0, 160)}`, options: { headers, raw } };
}

const encodeOnce = (id: string) => (id.includes("%") ? id : encodeURIComponent(id));
const wellFormed = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value)).toWellFormed();

function judge(operation: Operation, what: string, answer: Answer, rows: Rows): void {
  const { status, text, json } = answer;
  rows.status.check(
    (status < 500 || FOREIGN.has(status)) && status !== 0 && !INSIDES.test(status >= 400 ? text : ""),
    `${what}: ${status} ${answer.code ?? ""} ${text.slice(0, 120)}`,
  );
  if (status >= 400 && operation.method !== "HEAD") {
    const { error } = (json ?? {}) as { error?: { kind?: unknown; code?: unknown; message?: unknown } };
    const right = typeof error?.code === "string" && typeof error.message === "string" && error.message !== "";
    rows.shape.check(right, `${what}: ${status} ${text.slice(0, 120)}`);
  }
  const described = operation.answers[String(status)] ?? (status >= 400 ? operation.answers["default"] : undefined);
  const known = String(status) in operation.answers || "default" in operation.answers;
  // A path that does not match any route, or whose ids the server refuses before it looks, is not of this operation.
  if (answer.code === "api.no-route" || answer.code === "request.bad-path") return;
  rows.schema.check(known, `${what}: ${status} is not described`);
  if (described !== undefined && described !== null && json !== null) {
    const wrong = misfit(described, json);
    rows.schema.check(wrong === null, `${what}: ${wrong ?? ""}`);
  }
}

/** Things of their own for ids that lead somewhere. */
async function makeVictims(bench: Bench): Promise<Record<string, string>> {
  const host = await bench.ok<{ id: string }>("POST", "/hosts", {
    as: bench.admin,
    body: {
      name: `fuzzed ${randomUUID()}`,
      target: { driver: "demo", connection: { transport: "demo", vendor: "xen" } },
    },
  });
  const user = await bench.newPerson("auditor");
  const image = await bench.upload(bench.operator, `fuzzed-${randomUUID()}.raw`, Buffer.alloc(8192, 3), {
    from: "raw",
  });
  await bench.settledImage(image);
  return { hosts: host.id, users: user.id, images: image, vms: host.id };
}

async function cleanUp(bench: Bench): Promise<void> {
  const known = new Set(bench.hosts.map(({ id }) => id));
  const { items } = await bench.ok<{ items: { id: string }[] }>("GET", "/hosts", { as: bench.admin });
  for (const { id } of items) if (!known.has(id)) await bench.api("DELETE", `/hosts/${id}`, { as: bench.admin });
  await bench.api("PATCH", "/settings", { as: bench.admin, body: { importFolders: [], waiveApproval: false } });
}
