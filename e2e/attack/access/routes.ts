/** Every operation that the console describes, by everybody: nobody gets more than their role has, or less. */
import { ACTIONS, may, type Action, type Role } from "#lib/domain/role.ts";
import { bodyFor, headersFor, readOperations, targetFor, type Operation } from "../bench/api-document.ts";
import type { Answer } from "../bench/ask.ts";
import type { Bench } from "../bench/bench.ts";
import { makeIdentities, type Identity } from "../bench/identities.ts";
import type { RowTally } from "../bench/tally.ts";
import { RIGHTS, type Needs } from "./rights.ts";

const UNKNOWN = new Set(["auth.required", "auth.token-invalid"]);

function granted(needs: Needs, role: Role | null): boolean {
  if (needs === "anyone") return true;
  if (role === null) return false;
  return needs === "signed-in" || needs.every((action) => may(role, action));
}

export async function routesByIdentity(bench: Bench): Promise<void> {
  const operations = await readOperations(bench.url);
  const named = bench.tally.row("access", "operations that name their right");
  for (const { name } of operations) {
    const needs = RIGHTS[name];
    named.check(needs !== undefined, `${name} is described and has no line in access/rights.ts`);
    if (Array.isArray(needs))
      for (const action of needs as Action[]) named.check(ACTIONS.includes(action), `${name}: no right ${action}`);
  }
  for (const name of Object.keys(RIGHTS))
    named.check(
      operations.some((operation) => operation.name === name),
      `${name} has a right and is not described`,
    );

  const identities = await makeIdentities(bench, !bench.short);
  const less = bench.tally.row("access", "operations × identities that must be refused");
  const enough = bench.tally.row("access", "operations × identities that must be served");
  for (const operation of operations) {
    const needs = RIGHTS[operation.name];
    if (needs === undefined || needs === "anyone") continue;
    // A few at a time: the order within one operation does not matter.
    await Promise.all(
      identities.map((identity) => tryOne(bench, operation, identity, granted(needs, identity.role), less, enough)),
    );
  }
}

function send(bench: Bench, operation: Operation, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const body = bodyFor(operation);
  return bench.api(operation.method, targetFor(operation), {
    headers: { ...headersFor(operation), ...headers },
    ...(body === undefined ? {} : { body }),
    showsSecret: true,
  });
}

async function tryOne(
  bench: Bench,
  operation: Operation,
  identity: Identity,
  allowed: boolean,
  less: RowTally,
  enough: RowTally,
): Promise<void> {
  let answer = await send(bench, operation, identity.headers);
  // Operations of other identities of the same person may have ended this one: it comes again, and asks once more.
  for (let tries = 0; tries < 3 && answer.status === 401 && identity.renewed !== undefined; tries += 1) {
    Object.assign(identity.headers, await identity.renewed());
    answer = await send(bench, operation, identity.headers);
  }
  if (!allowed) {
    const refused =
      identity.role === null
        ? answer.status === 401 && (operation.method === "HEAD" || UNKNOWN.has(answer.code ?? ""))
        : answer.status === 403 && (operation.method === "HEAD" || answer.code === "auth.forbidden");
    less.check(refused, `${operation.name} by ${identity.name}: ${answer.status} ${answer.code ?? ""}`);
    return;
  }
  const served =
    answer.status !== 0 &&
    answer.status !== 401 &&
    answer.code !== "auth.forbidden" &&
    answer.code !== "request.invalid" &&
    answer.status !== 500;
  enough.check(served, `${operation.name} by ${identity.name}: ${answer.status} ${answer.text.slice(0, 200)}`);
}
