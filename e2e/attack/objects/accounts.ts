/** Sessions and tokens of one account, reached through another one. */
import { ask } from "../bench/ask.ts";
import { readOperations } from "../bench/api-document.ts";
import type { Bench, Person } from "../bench/bench.ts";

interface Items {
  readonly items: readonly { readonly id: string }[];
}

export async function othersAccounts(bench: Bench): Promise<void> {
  const row = bench.tally.row("objects", "sessions and tokens of other people");
  const there = new Set((await readOperations(bench.url)).map(({ name }) => name));
  if (!there.has("GET /sessions")) {
    row.skip("the console has no sessions that can be named");
    return;
  }
  const [a, b] = [await bench.newPerson("requester"), await bench.newPerson("requester")];
  const browsers = new Map<Person, Record<string, string>>([
    [a, await bench.browser(a)],
    [b, await bench.browser(b)],
  ]);
  const idsOf = async (person: Person, noun: string): Promise<string[]> =>
    (await bench.ok<Items>("GET", `/users/${person.id}/${noun}`, { as: bench.admin })).items.map(({ id }) => id);
  for (const noun of ["sessions", "tokens"]) {
    const [mine, theirs] = [await idsOf(a, noun), await idsOf(b, noun)];
    row.check(
      mine.length > 0 && !mine.some((id) => theirs.includes(id)),
      `${noun} of two people: ${mine.length} and ${theirs.length}`,
    );
    const own = await bench.api("GET", `/${noun}`, { as: b });
    row.check(!mine.some((id) => own.text.includes(id)), `GET /${noun} names those of another person`);
    for (const id of mine) {
      const direct = await bench.api("DELETE", `/${noun}/${id}`, { as: b });
      row.check(direct.status === 404, `DELETE /${noun} of another person: ${direct.status}`);
      const mixed = await bench.api("DELETE", `/users/${b.id}/${noun}/${id}`, { as: bench.admin });
      row.check(mixed.status === 404, `DELETE of ${noun} of one account under another one: ${mixed.status}`);
      for (const person of [b, bench.operator, bench.auditor]) {
        const foreign = await bench.api("DELETE", `/users/${a.id}/${noun}/${id}`, { as: person });
        row.check(foreign.status === 403, `DELETE of ${noun} of an account by ${person.role}: ${foreign.status}`);
      }
    }
    const all = await bench.api("DELETE", `/${noun}`, { as: b });
    const still = await bench.api("GET", "/session", { as: a });
    const page = await ask(bench.url, "GET", "/api/v1/session", { headers: browsers.get(a)! });
    row.check(
      still.status === 200 && page.status === 200,
      `DELETE /${noun} by one person (${all.status}) ended another's: ${still.status}, ${page.status}`,
    );
  }
}
