/** What strangers can write into the server's log: values of fields, never lines of their own. */
import { ask } from "../bench/ask.ts";
import type { Bench } from "../bench/bench.ts";
import { formTicket } from "../bench/sessions.ts";
import { rawRequest } from "../bench/wire.ts";

const MARK = "FORGED7f3a";
const LINE = `{"level":50,"msg":"${MARK}"}`;
const PAYLOADS = [
  `\n${LINE}\n`,
  `\r\n${LINE}\r\n`,
  `\u001b[31m\u001b]0;${MARK}\u0007`,
  `\u009b31m${MARK}`,
  `\u2028${LINE}`,
  `\\n${LINE}`,
  `%0a${LINE}`,
  `javascript:\u001b[31mRED\n${LINE}`,
];

export async function logLines(bench: Bench): Promise<void> {
  const row = bench.tally.row("content", "lines of the log written by strangers");
  const before = bench.log().length;
  const from = bench.address();
  for (const payload of PAYLOADS) {
    const text = encodeURIComponent(payload);
    const paths = [
      `/api/auth/signin?callbackUrl=${text}`,
      `/api/auth/signin?callbackUrl=javascript:${text}`,
      `/api/auth/error?error=${text}`,
      `/api/auth/callback/${text}`,
      `/api/auth/${text}`,
      `/api/auth/_log`,
      `/api/v1/${text}`,
      `/api/v1/uploads/${text}`,
      `/api/v1/transfers/x/${text}?token=${text}`,
      `/${text}`,
      `/sign-in?next=${text}&error=${text}`,
      `/_next/static/${text}`,
    ];
    for (const path of paths) await ask(bench.url, "GET", path, { from });
    const ticket = await formTicket(bench.url, from);
    const form = { cookie: ticket.cookie, "content-type": "application/x-www-form-urlencoded" };
    for (const path of [
      "/api/auth/callback/credentials",
      "/api/auth/signin/credentials",
      "/api/auth/_log",
      "/api/auth/signout",
    ])
      await ask(bench.url, "POST", path, {
        from: bench.address(),
        headers: form,
        raw: new URLSearchParams({
          csrfToken: ticket.token,
          email: payload,
          password: payload,
          callbackUrl: payload,
          level: "error",
          code: payload,
          message: payload,
        }).toString(),
      });
    await ask(bench.url, "POST", "/api/v1/login", {
      from: bench.address(),
      body: { email: payload, password: payload, name: payload },
    });
    const header = Buffer.from(payload.replaceAll(/[\r\n\u0000]/g, " "), "utf8").toString("latin1");
    for (const name of [
      "User-Agent",
      "Referer",
      "X-Forwarded-For",
      "X-Forwarded-Host",
      "X-Request-Id",
      "Cookie",
      "Authorization",
      "Origin",
      "Next-Action",
    ])
      await rawRequest(
        bench.url,
        name === "Next-Action" ? "POST" : "GET",
        "/api/auth/session",
        { [name]: header },
        { from },
      );
  }
  const lines = bench
    .log()
    .slice(before)
    .split("\n")
    .filter((line) => line !== "");
  for (const line of lines) {
    const json = parsed(line);
    const forged = json !== null && (json as { msg?: string }).msg === MARK;
    const active = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(line);
    row.check(
      !forged && !active,
      `${forged ? "a forged line" : "control characters"}: ${JSON.stringify(line).slice(0, 160)}`,
    );
  }
  const plain = lines.filter((line) => parsed(line) === null);
  const shape = bench.tally.row("content", "lines of the log that are no JSON");
  shape.check(
    plain.length === 0,
    `${plain.length} of ${lines.length} lines, such as ${JSON.stringify(plain[0] ?? "").slice(0, 160)}`,
  );
}

function parsed(line: string): unknown {
  try {
    const json: unknown = JSON.parse(line);
    return typeof json === "object" ? json : null;
  } catch {
    return null;
  }
}
