"use client";
import type { ReactNode } from "react";
import { RadioGroup } from "#components/ui/RadioGroup.tsx";
import { ROLE_LABEL, ROLES, type Role } from "#lib/domain/role.ts";
import { ROLE_HINT } from "./role-words.ts";

export interface RolePickerProps {
  value: Role;
  onChange: (role: Role) => void;
  /** Left out: all roles. */
  roles?: readonly Role[];
}

export function RolePicker({ value, onChange, roles = ROLES }: RolePickerProps): ReactNode {
  return (
    <div>
      <div className="mb-1.5 text-xs font-medium text-ink-2">Role</div>
      <RadioGroup
        label="Role"
        value={value}
        onChange={onChange}
        options={roles.map((role) => ({ value: role, label: ROLE_LABEL[role], hint: ROLE_HINT[role] }))}
      />
    </div>
  );
}
