/** Which role a single sign-on provider's claim gives. */
import { Role, ROLES } from "#lib/domain/role.ts";

export interface OidcRoleRules {
  /** Path of the claim in the profile, apart by dots ("realm_access.roles"); null: roles are given in Supravisor. */
  readonly claim: string | null;
  /** Names of the provider and the roles they stand for. */
  readonly map: ReadonlyMap<string, Role>;
  /** For people to whom the claim gives nothing. */
  readonly otherwise: Role;
}

/** SUPRAVISOR_OIDC_ROLES_CLAIM, SUPRAVISOR_OIDC_ROLE_MAP ("vm-admins=administrator,vm-ops=operator"), SUPRAVISOR_OIDC_DEFAULT_ROLE. */
export function oidcRoleRules(env: Readonly<Record<string, string | undefined>>): OidcRoleRules {
  const map = new Map<string, Role>(
    ROLES.flatMap((role) => [role, `supravisor-${role}`, `supravisor:${role}`].map((name) => [name, role] as const)),
  );
  for (const pair of (env["SUPRAVISOR_OIDC_ROLE_MAP"] ?? "").split(",")) {
    const at = pair.lastIndexOf("=");
    const role = Role.safeParse(pair.slice(at + 1).trim());
    if (at > 0 && role.success) map.set(pair.slice(0, at).trim(), role.data);
  }
  const otherwise = Role.safeParse(env["SUPRAVISOR_OIDC_DEFAULT_ROLE"]);
  return {
    claim: env["SUPRAVISOR_OIDC_ROLES_CLAIM"] || null,
    map,
    otherwise: otherwise.success ? otherwise.data : "requester",
  };
}

/** The strongest role that the claim names. Null: no claim is asked, and whatever role the account has stays. */
export function roleFromClaim(profile: Readonly<Record<string, unknown>>, rules: OidcRoleRules): Role | null {
  if (rules.claim === null) return null;
  // A claim may have dots in its own name: "https://example.com/roles".
  const value = rules.claim in profile ? profile[rules.claim] : rules.claim.split(".").reduce<unknown>(step, profile);
  const given = new Set((Array.isArray(value) ? value : [value]).map((name) => rules.map.get(String(name))));
  return ROLES.find((role) => given.has(role)) ?? rules.otherwise;
}

function step(at: unknown, key: string): unknown {
  return typeof at === "object" && at !== null && Object.hasOwn(at, key) ? Reflect.get(at, key) : undefined;
}
