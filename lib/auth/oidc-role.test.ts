import { describe, expect, it } from "vitest";
import { oidcRoleRules, roleFromClaim } from "./oidc-role.ts";

const rules = (env: Record<string, string>) => oidcRoleRules(env);

describe("the role that a single sign-on provider gives", () => {
  it("is nothing to go by when no claim is named", () => {
    expect(roleFromClaim({ roles: ["administrator"] }, rules({}))).toBeNull();
  });

  it("is the strongest of those that the claim names", () => {
    const by = rules({ SUPRAVISOR_OIDC_ROLES_CLAIM: "roles" });
    expect(roleFromClaim({ roles: ["auditor", "supravisor-operator", "staff"] }, by)).toBe("operator");
    expect(roleFromClaim({ roles: "supravisor:administrator" }, by)).toBe("administrator");
  });

  it("is the default for people without one, and never more for odd claims", () => {
    const by = rules({ SUPRAVISOR_OIDC_ROLES_CLAIM: "roles", SUPRAVISOR_OIDC_DEFAULT_ROLE: "auditor" });
    for (const roles of [
      undefined,
      null,
      [],
      7,
      { administrator: true },
      ["Administrator"],
      ["administrator "],
      [["administrator", "x"]],
    ])
      expect(roleFromClaim({ roles }, by), JSON.stringify(roles)).toBe("auditor");
    const other = rules({ SUPRAVISOR_OIDC_ROLES_CLAIM: "roles", SUPRAVISOR_OIDC_DEFAULT_ROLE: "root" });
    expect(roleFromClaim({}, other)).toBe("requester");
  });

  it("is found inside the profile and under names with dots, but not on its prototype", () => {
    const inside = rules({ SUPRAVISOR_OIDC_ROLES_CLAIM: "realm_access.roles" });
    expect(roleFromClaim({ realm_access: { roles: ["operator"] } }, inside)).toBe("operator");
    const dotted = rules({ SUPRAVISOR_OIDC_ROLES_CLAIM: "https://example.com/roles" });
    expect(roleFromClaim({ "https://example.com/roles": ["operator"] }, dotted)).toBe("operator");
    expect(roleFromClaim({}, rules({ SUPRAVISOR_OIDC_ROLES_CLAIM: "realm.constructor.name" }))).toBe("requester");
  });

  it("takes the provider's own names by the map, also with an equals sign in them", () => {
    const by = rules({
      SUPRAVISOR_OIDC_ROLES_CLAIM: "groups",
      SUPRAVISOR_OIDC_ROLE_MAP: "vm-admins=administrator, cn=ops=operator,broken,=auditor,x=nothing",
    });
    expect(roleFromClaim({ groups: ["vm-admins"] }, by)).toBe("administrator");
    expect(roleFromClaim({ groups: ["cn=ops"] }, by)).toBe("operator");
    expect(roleFromClaim({ groups: ["broken", "", "x"] }, by)).toBe("requester");
  });
});
