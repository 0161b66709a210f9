/** A console whose proxies are named: everybody behind them is somebody of their own. */
import { ask, type Answer } from "../bench/ask.ts";
import type { Bench } from "../bench/bench.ts";

/** `people`: some of them is the first administrator of the console at `url`. */
export async function behindProxies(
  bench: Bench,
  url: string,
  people: readonly { email: string; password: string }[],
): Promise<void> {
  const row = bench.tally.row("legitimate", "people behind a trusted proxy");
  const proxy = bench.address();
  const login = (person: { email: string; password: string }, forwarded: string): Promise<Answer> =>
    ask(url, "POST", "/api/v1/login", {
      from: proxy,
      headers: { "x-forwarded-for": forwarded },
      body: { email: person.email, password: person.password, name: "behind a proxy" },
    });
  let token = "";
  for (const [n, person] of people.entries()) {
    const answer = await login(person, `198.51.100.${100 + n}`);
    if (answer.status === 201) token = (answer.json as { secret: string }).secret;
  }
  row.check(token !== "", "nobody of those who asked for it is the first administrator");
  if (token === "") return;
  for (let n = 0; n < 60; n += 1) await login({ email: `guess${n}@example.test`, password: "x" }, "198.51.100.7");
  const neighbour = await login({ email: "typo@example.test", password: "x" }, "198.51.100.8");
  row.check(
    neighbour.status === 401,
    `a first try behind the same proxy as a guesser: ${neighbour.status} ${neighbour.code ?? ""}`,
  );
  await login({ email: "forged@example.test", password: "x" }, "192.0.2.66, 198.51.100.9");
  const headers = { authorization: `Bearer ${token}` };
  const trail = await ask(url, "GET", "/api/v1/audit?limit=200", { headers });
  row.check(trail.text.includes('"198.51.100.8"'), "the trail does not have the address that the proxy names");
  row.check(!trail.text.includes('"192.0.2.66"'), "the trail has an address that the client put before the proxy's");
  const told = await ask(url, "GET", "/api/auth/providers", {
    from: proxy,
    headers: { "x-forwarded-for": "198.51.100.8", "x-forwarded-host": "console.example", "x-forwarded-proto": "https" },
  });
  row.check(
    told.text.includes("https://console.example/"),
    `the name that the proxy gives is not used: ${told.text.slice(0, 160)}`,
  );
}
