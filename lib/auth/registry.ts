/**
 * The way from Next's bundle to the server. Next compiles its routes into modules of their own, where the database
 * would be a second one; the composition root puts its functions here and next-auth finds them.
 */
import type { Role } from "#lib/domain/role.ts";

export interface SignedIn {
  readonly id: string;
  readonly epoch: number;
}

export interface AccountChecks {
  readonly secret: string;
  readonly secureCookies: boolean;
  /** Throws an AppError with the reason. */
  byPassword(input: { email: string; password: string; address: string | null }): Promise<SignedIn>;
  byOidc(input: {
    subject: string;
    email: string;
    name: string;
    role: Role | null;
    address: string | null;
  }): Promise<SignedIn | null>;
  signedOut(input: { userId: string; address: string | null }): Promise<void>;
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
