/** Everybody who may stand at the door, with the role that they have there: null for those who must stay outside. */
import { randomBytes } from "node:crypto";
import type { Role } from "#lib/domain/role.ts";
import { ask } from "./ask.ts";
import type { Bench, Person } from "./bench.ts";
import { formTicket } from "./sessions.ts";

export interface Identity {
  readonly name: string;
  readonly role: Role | null;
  readonly headers: Readonly<Record<string, string>>;
  /** For one that a call may have ended: the same kind of identity again. */
  readonly renewed?: () => Promise<Readonly<Record<string, string>>>;
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** A token with less than its owner has, made on the page as people do. */
async function weakerToken(bench: Bench, owner: Person, role: Role): Promise<{ id: string; secret: string }> {
  const answer = await ask(bench.url, "POST", "/api/v1/tokens", {
    headers: await bench.browser(owner),
    body: { name: `weaker ${role}`, role, expiresInDays: 1 },
  });
  const made = answer.json as { token?: { id: string }; secret?: string } | null;
  if (made?.token === undefined || made.secret === undefined)
    throw new Error(`token of ${owner.role}: ${answer.status} ${answer.text}`);
  return { id: made.token.id, secret: made.secret };
}

async function signOut(bench: Bench, headers: Record<string, string>): Promise<void> {
  const from = bench.address();
  const ticket = await formTicket(bench.url, from);
  await ask(bench.url, "POST", "/api/auth/signout", {
    from,
    raw: new URLSearchParams({ csrfToken: ticket.token, json: "true", callbackUrl: "/" }).toString(),
    headers: {
      ...headers,
      cookie: `${headers["cookie"] ?? ""}; ${ticket.cookie}`,
      "content-type": "application/x-www-form-urlencoded",
    },
  });
}

/** `full` adds the browser's session of each role, which the routes treat as its token. */
export async function makeIdentities(bench: Bench, full: boolean): Promise<Identity[]> {
  const { admin } = bench;
  const roles = [bench.admin, bench.operator, bench.requester, bench.auditor];
  const outside = (name: string, headers: Record<string, string>): Identity => ({ name, role: null, headers });
  const strong: Role = "administrator";

  const revoked = await weakerToken(bench, admin, "auditor");
  await bench.ok("DELETE", `/tokens/${revoked.id}`, { as: admin });

  const disabled = await bench.newPerson(strong);
  const disabledCookie = await bench.browser(disabled);
  await bench.ok("PATCH", `/users/${disabled.id}`, { as: admin, body: { disabled: true } });

  const demoted = await bench.newPerson("operator");
  await bench.ok("PATCH", `/users/${demoted.id}`, { as: admin, body: { role: "requester" } });
  const demotedCookie = await bench.newPerson("operator");
  const cookieBefore = await bench.browser(demotedCookie);
  await bench.ok("PATCH", `/users/${demotedCookie.id}`, { as: admin, body: { role: "auditor" } });

  const leaver = await bench.newPerson(strong);
  const ended = await bench.browser(leaver);
  await signOut(bench, ended);

  const changer = await bench.newPerson(strong);
  const stale = await bench.browser(changer);
  await bench.ok("POST", "/session/password", {
    as: changer,
    body: { current: changer.password, next: `another ${randomBytes(8).toString("hex")}` },
  });
  const reset = await bench.newPerson(strong);
  await bench.ok("PATCH", `/users/${reset.id}`, {
    as: admin,
    body: { password: `given ${randomBytes(8).toString("hex")}` },
  });

  const revived = await bench.newPerson(strong);
  for (const off of [true, false])
    await bench.ok("PATCH", `/users/${revived.id}`, { as: admin, body: { disabled: off } });

  const tampered = await bench.browser(admin);
  const cookie = tampered["cookie"] ?? "";
  const middle = Math.floor(cookie.length / 2);

  return [
    outside("nobody", {}),
    outside("garbage token", bearer(`svt_${"x".repeat(43)}`)),
    outside("another scheme", { authorization: `Basic ${btoa(`${admin.email}:${admin.password}`)}` }),
    outside("expired token", bearer(bench.expiredToken)),
    outside("revoked token", bearer(revoked.secret)),
    outside("token of a disabled person", bearer(disabled.token)),
    outside("session of a disabled person", disabledCookie),
    outside("token that outlived disabling its owner", bearer(revived.token)),
    outside("session that was signed out", ended),
    outside("session after a change of password", stale),
    outside("token after a change of password", bearer(changer.token)),
    outside("token after an administrator set a new password", bearer(reset.token)),
    outside("session with a changed byte", {
      ...tampered,
      cookie: `${cookie.slice(0, middle)}${cookie[middle] === "A" ? "B" : "A"}${cookie.slice(middle + 1)}`,
    }),
    outside("session before another role was given", cookieBefore),
    ...roles.map((person) => ({
      name: person.role,
      role: person.role,
      headers: bearer(person.token),
      renewed: async () => bearer(await bench.login(person)),
    })),
    ...(full
      ? await Promise.all(
          roles.map(async (person) => ({
            name: `${person.role} in a browser`,
            role: person.role,
            headers: await bench.browser(person),
            renewed: () => bench.browser(person),
          })),
        )
      : []),
    {
      name: "an administrator's token for requesters",
      role: "requester",
      headers: bearer((await weakerToken(bench, admin, "requester")).secret),
      renewed: async () => bearer((await weakerToken(bench, admin, "requester")).secret),
    },
    {
      name: "an operator's token for requesters",
      role: "requester",
      headers: bearer((await weakerToken(bench, bench.operator, "requester")).secret),
      renewed: async () => bearer((await weakerToken(bench, bench.operator, "requester")).secret),
    },
  ];
}
