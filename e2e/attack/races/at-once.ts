/** The same thing by many at the same moment: one of them does it. */
import { randomUUID } from "node:crypto";
import { ask, type Answer } from "../bench/ask.ts";
import type { Bench } from "../bench/bench.ts";
import { askForVm, choiceFor, decide, pendingRequest, readRequest } from "../bench/deploys.ts";

const won = (answers: readonly Answer[]) =>
  answers.filter((answer) => answer.status >= 200 && answer.status < 300).length;
const words = (answers: readonly Answer[]) =>
  answers.map((answer) => `${answer.status}${answer.code === null ? "" : ` ${answer.code}`}`).join(", ");

export async function decisions(bench: Bench): Promise<void> {
  const row = bench.tally.row("races", "decisions at once");
  const second = await bench.newPerson("operator");
  for (let round = 0; round < (bench.short ? 2 : 5); round += 1) {
    const request = await pendingRequest(bench, bench.requester);
    const same = await Promise.all(
      Array.from({ length: 12 }, (_, n) => decide(bench, n % 2 === 0 ? bench.operator : second, request, "approve")),
    );
    row.check(won(same) === 1, `12 approvals: ${words(same)}`);
    const other = await pendingRequest(bench, bench.requester);
    const both = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        decide(bench, n % 2 === 0 ? bench.operator : second, other, n % 2 === 0 ? "approve" : "deny"),
      ),
    );
    row.check(won(both) === 1, `approve and deny: ${words(both)}`);
    const third = await pendingRequest(bench, bench.requester);
    const mixed = await Promise.all([
      decide(bench, bench.operator, third, "approve"),
      bench.api("POST", `/requests/${third.id}/cancel`, { as: bench.requester, body: {} }),
      decide(bench, second, third, "deny"),
      bench.api("POST", `/requests/${third.id}/cancel`, { as: bench.admin, body: {} }),
    ]);
    const after = await readRequest(bench, third.id);
    // Approved and cancelled may follow one another; denied and approved may not.
    const denied = mixed[2].status === 200;
    row.check(
      won(mixed) >= 1 && (!denied || (after.status === "denied" && mixed[0].status !== 200)),
      `approve, deny and cancel: ${words(mixed)}; it is ${after.status}`,
    );
    const jobs = await bench.ok<{ items: unknown[] }>("GET", `/jobs?subjectKind=request&subjectId=${request.id}`, {
      as: bench.admin,
    });
    row.check(jobs.items.length <= 1, `one approved target has ${jobs.items.length} jobs`);
  }
}

export async function idempotency(bench: Bench): Promise<void> {
  const row = bench.tally.row("races", "one idempotency key");
  const hostId = bench.hosts[0]!.id;
  const choice = await choiceFor(bench, hostId, `idem-${randomUUID().slice(0, 8)}`);
  const key = randomUUID();
  const answers = await Promise.all(Array.from({ length: 10 }, () => askForVm(bench, bench.requester, [choice], key)));
  const ids = new Set(answers.map((answer) => (answer.json as { id?: string } | null)?.id));
  row.check(ids.size === 1 && won(answers) === 10, `10 at once made ${ids.size} requests: ${words(answers)}`);
  const again = await askForVm(bench, bench.requester, [choice], key);
  row.check(again.status < 300 && ids.has((again.json as { id?: string }).id), `the same once more: ${again.status}`);
  const otherBodies = [
    () => askForVm(bench, bench.requester, [{ ...choice, name: `${choice.name}-b` }], key),
    () => askForVm(bench, bench.requester, [choice], key, "another note"),
    async () =>
      askForVm(bench, bench.requester, [choice, await choiceFor(bench, bench.hosts[1]!.id, choice.name)], key),
  ];
  for (const send of otherBodies) {
    const answer = await send();
    row.check(answer.status === 409, `the same key with another body: ${answer.status}`);
  }
  const foreign = await askForVm(bench, bench.operator, [{ ...choice, name: `${choice.name}-c` }], key);
  row.check(
    foreign.status === 201 && !ids.has((foreign.json as { id: string }).id),
    `the same key of another person: ${foreign.status}`,
  );
  for (const id of [...ids, (foreign.json as { id?: string } | null)?.id])
    if (id !== undefined) await bench.api("POST", `/requests/${id}/cancel`, { as: bench.admin, body: {} });
}

export async function tokensAtOnce(bench: Bench): Promise<void> {
  const row = bench.tally.row("races", "tokens of one person");
  const person = await bench.newPerson("requester");
  const session = await bench.browser(person);
  let made = 0;
  for (let round = 0; round < 6; round += 1) {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        ask(bench.url, "POST", "/api/v1/tokens", {
          headers: session,
          body: { name: `t${round}-${n}`, role: "requester", expiresInDays: 1 },
        }),
      ),
    );
    made += won(answers);
  }
  const list = await ask(bench.url, "GET", "/api/v1/tokens", { headers: session });
  row.check(made < 120, `${made} of 120 tokens were made`);
  row.check(
    (list.json as { items: unknown[] }).items.length <= 100,
    `the person has ${(list.json as { items: unknown[] }).items.length} tokens`,
  );
}

/** Names that only one thing may have. */
export async function names(bench: Bench): Promise<void> {
  const row = bench.tally.row("races", "one name for ten");
  const email = `${randomUUID()}@example.test`;
  const users = await Promise.all(
    Array.from({ length: 10 }, () =>
      bench.api("POST", "/users", {
        as: bench.admin,
        body: { email, name: "Ten", role: "auditor", password: `ten ${randomUUID()}` },
      }),
    ),
  );
  row.check(won(users) === 1, `accounts: ${words(users)}`);
  const name = `ten ${randomUUID()}`;
  const hosts = await Promise.all(
    Array.from({ length: 10 }, () =>
      bench.api("POST", "/hosts", {
        as: bench.admin,
        body: { name, target: { driver: "demo", connection: { transport: "demo", vendor: "kvm" } } },
      }),
    ),
  );
  row.check(won(hosts) === 1, `hosts: ${words(hosts)}`);
  for (const host of hosts)
    if (host.status === 201)
      await bench.api("DELETE", `/hosts/${(host.json as { id: string }).id}`, { as: bench.admin });
}

/** Two administrators who demote each other leave one. */
export async function lastAdministrator(bench: Bench): Promise<void> {
  const row = bench.tally.row("races", "the last administrator");
  const second = await bench.newPerson("administrator");
  const answers = await Promise.all([
    bench.api("PATCH", `/users/${second.id}`, { as: bench.admin, body: { role: "auditor" } }),
    ...Array.from({ length: 5 }, () =>
      bench.api("PATCH", `/users/${second.id}`, { as: second, body: { role: "auditor" } }),
    ),
  ]);
  const { items } = await bench.ok<{ items: { role: string; disabled: boolean }[] }>("GET", "/users", {
    as: bench.admin,
  });
  row.check(
    items.some((user) => user.role === "administrator" && !user.disabled),
    `no administrator is left: ${words(answers)}`,
  );
}

/** A host that goes while something is deployed to it, and a request that is cancelled and asked for again at once. */
export async function endsAtOnce(bench: Bench): Promise<void> {
  const row = bench.tally.row("races", "removal and deploy, cancel and retry");
  const { id: hostId } = await bench.ok<{ id: string }>("POST", "/hosts", {
    as: bench.admin,
    body: {
      name: `going ${randomUUID()}`,
      target: { driver: "demo", connection: { transport: "demo", vendor: "kvm" } },
    },
  });
  await waitOnline(bench, hostId);
  const request = await pendingRequest(bench, bench.requester, hostId);
  const [approved, removed] = await Promise.all([
    decide(bench, bench.operator, request, "approve"),
    bench.api("DELETE", `/hosts/${hostId}`, { as: bench.admin }),
  ]);
  row.check(
    [approved, removed].every((answer) => answer.status < 500),
    words([approved, removed]),
  );
  const end = await settled(bench, request.id);
  row.check(end !== "running", `a request on a removed host is ${end} for ever`);
  if (removed.status >= 400) {
    const again = await bench.api("DELETE", `/hosts/${hostId}`, { as: bench.admin });
    row.check(again.status < 300, `the host cannot be removed afterwards: ${again.status} ${again.code ?? ""}`);
  }
  const other = await pendingRequest(bench, bench.requester);
  await decide(bench, bench.operator, other, "approve");
  const both = await Promise.all(
    Array.from({ length: 8 }, (_, n) =>
      n % 2 === 0
        ? bench.api("POST", `/requests/${other.id}/cancel`, { as: bench.requester, body: {} })
        : bench.api("POST", `/requests/${other.id}/retry`, { as: bench.requester }),
    ),
  );
  row.check(
    both.every((answer) => answer.status < 500),
    `cancel and retry: ${words(both)}`,
  );
  const retried = both.filter((answer, n) => n % 2 === 1 && answer.status < 300);
  row.check(retried.length <= 1, `${retried.length} new requests came of one`);
  row.check((await settled(bench, other.id)) !== "running", "a cancelled request never ends");
  for (const answer of retried)
    await bench.api("POST", `/requests/${(answer.json as { id: string }).id}/cancel`, { as: bench.admin, body: {} });
}

async function waitOnline(bench: Bench, id: string): Promise<void> {
  for (let n = 0; n < 240; n += 1) {
    const host = await bench.ok<{ state: string }>("GET", `/hosts/${id}`, { as: bench.admin });
    if (host.state === "online") return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error("a simulated host does not come online");
}

async function settled(bench: Bench, id: string): Promise<string> {
  for (let n = 0; n < 360; n += 1) {
    const { status } = await readRequest(bench, id);
    if (!["pending", "approved", "running"].includes(status)) return status;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return "running";
}
