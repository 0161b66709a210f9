/** What Kerberos says when it will not, as something to tell a person. */
import { AppError } from "#lib/errors.ts";
import { type Gssapi, type GssBuffer, KERBEROS, type Out } from "./gssapi.ts";

/** The upper half of a major status. Calling errors, routine errors. */
export const failed = (major: number): boolean => major >= 0x10000;

const MECHANISM = 2;
const GENERAL = 1;

/** Source: krb5_err.et of MIT krb5; their numbers begin at -1765328384. */
const BASE = -1_765_328_384;
const HINTS: Readonly<Record<number, readonly [code: string, hint: string]>> = {
  6: ["host.auth-failed", "There is no such user in that realm."],
  7: ["host.auth-failed", "Enter the host by the full name that the domain knows it by, not by its address."],
  18: ["host.auth-failed", "The account is locked or disabled."],
  23: ["host.auth-failed", "The password has expired."],
  24: ["host.auth-failed", "Check user and password."],
  31: ["host.auth-failed", "Check user and password."],
  37: ["host.auth-failed", "The clocks of this server and of the domain differ by more than five minutes."],
  154: ["host.kdc-unreachable", "No server of the realm answers: check name, network and /etc/krb5.conf."],
  156: ["host.kdc-unreachable", "No server of the realm answers: check its name, the network and /etc/krb5.conf."],
  195: ["host.auth-failed", "The worker has no ticket: give a password, or a key table (KRB5_CLIENT_KTNAME)."],
  220: ["host.kdc-unreachable", "The realm is not known here: set it up in /etc/krb5.conf or in DNS."],
};

function words(gss: Gssapi, status: number, type: number): string {
  const more: Out<number> = [0];
  const said: string[] = [];
  do {
    const text: GssBuffer = { length: 0, value: null };
    if (failed(gss.displayStatus([0], status, type, KERBEROS, more, text))) break;
    said.push(gss.take(text).toString("utf8"));
  } while (more[0] !== 0 && said.length < 8);
  return said.join(" ");
}

/** `doing`: "Signing in to host as user@REALM". */
export function gssError(gss: Gssapi, doing: string, major: number, minor: number): AppError {
  const number = minor > 0x7fffffff ? minor - 2 ** 32 : minor;
  const [code, hint] = HINTS[number - BASE] ?? ["host.auth-failed", undefined];
  const why = (words(gss, minor, MECHANISM) || words(gss, major, GENERAL) || `status ${major}`).trim();
  return new AppError(
    code === "host.kdc-unreachable" ? "unavailable" : "unprocessable",
    code,
    `${doing} failed: ${why}.`,
    {
      ...(hint === undefined ? {} : { hint }),
    },
  );
}
