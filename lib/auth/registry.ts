/**
 * The way from Next's bundle to the server. Next compiles its routes into modules of their own, where the database
 * would be a second one; the composition root puts its functions here and next-auth finds them.
 */
import type { Logger } from "pino";
import type { Role } from "#lib/domain/role.ts";
import type { SessionLimits } from "./sessions.ts";

export interface SignedIn {
  readonly userId: string;
  readonly sessionId: string;
}

export interface AccountChecks {
  readonly secret: string;
  readonly secureCookies: boolean;
  readonly sessions: SessionLimits;
  readonly log: Logger;
  /** Of the request that is being answered: settled where it came in, and in no header that a client could send. */
  clientAddress(): string | null;
  /** Throws an AppError with the reason. */
  byPassword(input: { email: string; password: string; address: string | null }): Promise<SignedIn>;
  byOidc(input: {
    subject: string;
    email: string;
    name: string;
    role: Role | null;
    address: string | null;
  }): Promise<SignedIn | null>;
  sessionLives(id: string): Promise<boolean>;
  signedOut(input: { userId: string; sessionId: string; address: string | null }): Promise<void>;
}

const KEY = Symbol.for("supravisor.account-checks");
const place = globalThis as { [KEY]?: AccountChecks };

export function provideAccountChecks(checks: AccountChecks): void {
  place[KEY] = checks;
}

export function accountChecks(): AccountChecks {
  const checks = place[KEY];
  if (checks === undefined) throw new Error("The pages run outside of the Supravisor server.");
  return checks;
}
