/** The four roles. What each may do is below and in docs/roles.md; the page reads the same rules through `may`. */
import { z } from "zod";

export const ROLES = ["administrator", "operator", "requester", "auditor"] as const;
export const Role = z.enum(ROLES);
export type Role = z.infer<typeof Role>;

export const ROLE_LABEL = {
  administrator: "Administrator",
  operator: "Operator",
  requester: "Requester",
  auditor: "Auditor",
} satisfies Record<Role, string>;

/** Every thing that can be done, named noun.verb. */
export const ACTIONS = [
  "host.read",
  "host.add",
  "host.edit",
  "host.remove",
  /** Try a connection that the request itself names: the server goes to that address. */
  "host.test",
  /** Try or read again a host that is stored, as it is stored. */
  "host.refresh",
  "vm.read",
  "vm.power",
  "vm.capture",
  "image.read",
  "image.download",
  "image.add",
  "image.edit",
  "image.remove",
  "library.check",
  "request.read",
  "request.create",
  "request.decide",
  "request.cancel",
  "job.read",
  "job.cancel",
  "audit.read",
  "user.read",
  "user.manage",
  "token.manage-own",
  "settings.read",
  "settings.edit",
] as const;
export type Action = (typeof ACTIONS)[number];

const READS: readonly Action[] = ["host.read", "vm.read", "image.read", "request.read", "job.read"];

const GRANTS: Record<Role, ReadonlySet<Action>> = {
  administrator: new Set(ACTIONS),
  operator: new Set<Action>([
    ...READS,
    "host.refresh",
    "vm.power",
    "vm.capture",
    "image.download",
    "image.add",
    "image.edit",
    "request.create",
    "request.decide",
    "request.cancel",
    "job.cancel",
    "token.manage-own",
  ]),
  requester: new Set<Action>([...READS, "request.create", "request.cancel", "token.manage-own"]),
  auditor: new Set<Action>([...READS, "audit.read", "user.read", "settings.read", "token.manage-own"]),
};

/** Pure rule shared by the page and the services. Ownership rules (own request, own token) come on top in the services. */
export function may(role: Role, action: Action): boolean {
  return GRANTS[role].has(action);
}
