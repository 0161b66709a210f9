/** Guessing passwords: how often, by which ways, and what the answers tell. */
import { randomUUID } from "node:crypto";
import { ask } from "../bench/ask.ts";
import type { Bench, Person } from "../bench/bench.ts";
import { signInByBrowser } from "../bench/sessions.ts";

type Outcome = "ok" | "wrong" | "too-many" | "other";

interface Way {
  readonly name: string;
  go(
    person: { email: string; password: string },
    from: string,
    headers?: Record<string, string>,
  ): Promise<{ outcome: Outcome; words: string; retryAfter: boolean }>;
}

function waysOf(bench: Bench): Way[] {
  return [
    {
      name: "/api/v1/login",
      async go(person, from, headers = {}) {
        const answer = await ask(bench.url, "POST", "/api/v1/login", {
          from,
          headers,
          body: { ...person, name: "guess" },
        });
        const outcome =
          answer.status === 201
            ? "ok"
            : answer.status === 429
              ? "too-many"
              : answer.code === "auth.wrong-credentials"
                ? "wrong"
                : "other";
        return {
          outcome,
          words: `${answer.status} ${answer.text}`,
          retryAfter: answer.headers["retry-after"] !== undefined,
        };
      },
    },
    {
      name: "/api/auth",
      async go(person, from, headers = {}) {
        const { outcome, answer } = await signInByBrowser(bench.url, person, from, { headers });
        return {
          outcome,
          words: `${answer.status} ${answer.text}`,
          retryAfter: answer.headers["retry-after"] !== undefined,
        };
      },
    },
  ];
}

/** Tries as fast as they go, and how many of them may be looked at: whoever slows down or refuses stays far below. */
const TRIES = 70;
const MOST_LOOKED_AT = 45;
const wrong = (email: string) => ({ email, password: `wrong ${randomUUID()}` });

export async function guessing(bench: Bench): Promise<void> {
  const ways = waysOf(bench);
  const limits = bench.tally.row("sign-in", "more tries than are allowed");
  const kinds = [
    ["many accounts", () => `${randomUUID()}@example.test`],
    ["spellings that are no address", () => `no address ${randomUUID()}`],
  ] as const;
  for (const [number, way] of ways.entries())
    for (const [kind, email] of bench.short ? kinds.slice(number, number + 1) : kinds) {
      const from = bench.address();
      let checked = 0;
      for (let n = 0; n < TRIES; n += 1)
        if ((await way.go(wrong(email()), from, { "x-forwarded-for": `203.0.113.${n}` })).outcome === "wrong")
          checked += 1;
      limits.check(checked <= MOST_LOOKED_AT, `${way.name}, one address, ${kind}: ${checked} tries were looked at`);
    }
  const both = bench.address();
  let mixed = 0;
  for (let n = 0; n < TRIES; n += 1)
    if ((await ways[n % 2]!.go(wrong(`${randomUUID()}@example.test`), both)).outcome === "wrong") mixed += 1;
  limits.check(mixed <= MOST_LOOKED_AT, `both ways in turn from one address: ${mixed} tries were looked at`);

  for (const way of bench.short ? ways.slice(0, 1) : ways) {
    const from = bench.address();
    const outcomes = await Promise.all(
      Array.from({ length: TRIES }, () => way.go(wrong(`${randomUUID()}@example.test`), from)),
    );
    const checked = outcomes.filter(({ outcome }) => outcome === "wrong").length;
    limits.check(
      checked <= MOST_LOOKED_AT,
      `${way.name}, ${TRIES} at once from one address: ${checked} were looked at`,
    );
  }

  const account = bench.tally.row("sign-in", "one account from many addresses");
  const victim = await bench.newPerson("requester");
  const spellings = [
    victim.email,
    victim.email.toUpperCase(),
    ` ${victim.email} `,
    `${victim.email[0]!.toUpperCase()}${victim.email.slice(1)}`,
  ];
  let looked = 0;
  for (let n = 0; n < TRIES; n += 1)
    if ((await ways[0]!.go(wrong(spellings[n % spellings.length]!), bench.address())).outcome === "wrong") looked += 1;
  account.check(
    looked <= MOST_LOOKED_AT,
    `of ${TRIES} wrong passwords from ${TRIES} addresses ${looked} were looked at`,
  );

  const owners = bench.tally.row("sign-in", "owners who are locked out by others");
  for (const way of bench.short ? ways.slice(0, 1) : ways) {
    const known = await bench.newPerson("requester");
    const home = bench.address();
    const before = await way.go(known, home);
    for (let n = 0; n < 30; n += 1) await way.go(wrong(known.email), bench.address());
    const after = await way.go(known, home);
    owners.check(
      before.outcome === "ok" && after.outcome === "ok",
      `${way.name}: after 30 wrong tries of others the owner, from the usual address: ${after.outcome}`,
    );
  }

  const retry = bench.tally.row("sign-in", "refusals that do not say when to come back");
  const from = bench.address();
  for (let n = 0; n < TRIES; n += 1) await ways[0]!.go(wrong(victim.email), from);
  const refused = await ways[0]!.go(wrong(victim.email), from);
  retry.check(
    refused.outcome === "too-many" && refused.retryAfter,
    `429 without Retry-After: ${refused.words.slice(0, 100)}`,
  );
}

/** Nobody learns which accounts there are. */
export async function enumeration(bench: Bench): Promise<void> {
  const row = bench.tally.row("sign-in", "answers that tell accounts apart");
  const disabled = await bench.newPerson("requester");
  await bench.ok("PATCH", `/users/${disabled.id}`, { as: bench.admin, body: { disabled: true } });
  const people: Record<string, () => { email: string; password: string }> = {
    "unknown account": () => wrong(`${randomUUID()}@example.test`),
    "known account, wrong password": () => wrong(bench.auditor.email),
    "disabled account, right password": () => disabled,
    "disabled account, wrong password": () => wrong(disabled.email),
    "no address": () => wrong("nothing"),
    "empty address": () => wrong(""),
  };
  for (const way of waysOf(bench)) {
    const seen = new Map<string, string>();
    for (const [name, person] of Object.entries(people)) {
      const { words } = await way.go(person(), bench.address());
      seen.set(name, words);
    }
    const [usual] = seen.values();
    for (const [name, words] of seen)
      row.check(
        words === usual,
        `${way.name}, ${name}: ${words.slice(0, 120)} instead of ${usual?.slice(0, 120) ?? ""}`,
      );
  }
}

/** A session that was stolen for a moment must not be enough to guess the password at leisure. */
export async function ownPassword(bench: Bench): Promise<void> {
  const row = bench.tally.row("sign-in", "guessing through the change of one's own password");
  const person: Person = await bench.newPerson("requester");
  let checked = 0;
  for (let n = 0; n < 40; n += 1) {
    const answer = await bench.api("POST", "/session/password", {
      as: person,
      body: { current: `wrong ${n}`, next: `quite another ${randomUUID()}` },
    });
    if (answer.code === "auth.wrong-password" || answer.code === "auth.wrong-credentials") checked += 1;
  }
  row.check(checked <= 20, `${checked} of 40 tries were looked at`);
}
