import type { Role } from "#lib/domain/role.ts";

/** What each role is for, in a sentence. */
export const ROLE_HINT: Record<Role, string> = {
  administrator: "Everything: hosts, users, settings, and all that operators do",
  operator: "Power, images, deploys, and the approval of others' requests",
  requester: "Asks for virtual machines; sees hosts and images",
  auditor: "Sees everything, the audit trail too; changes nothing",
};
