"use client";
import { createContext, use } from "react";
import { may, ROLE_LABEL, type Action } from "#lib/domain/role.ts";
import type { Session } from "#lib/domain/user.ts";

export const SessionContext = createContext<Session | null>(null);

/** Who is signed in. Only inside the console, where SessionGate has seen to it. */
export function useSession(): Session {
  const session = use(SessionContext);
  if (!session) throw new Error("useSession is used outside the console");
  return session;
}

/** May the signed-in person do this? The server decides again; here it only spares a button that would refuse. */
export function useMay(action: Action): boolean {
  return may(useSession().user.role, action);
}

/** Null when allowed; else the words for a disabled button's tooltip. */
export function useMayReason(action: Action): string | null {
  const { role } = useSession().user;
  return may(role, action) ? null : `Your role (${ROLE_LABEL[role]}) does not allow this.`;
}
