"use client";
import { Ellipsis, KeyRound, MonitorSmartphone, Pencil, UserCheck, UserX } from "lucide-react";
import { useState, type ReactNode } from "react";
import { DropdownMenu, MenuItem } from "#components/ui/DropdownMenu.tsx";
import { IconButton } from "#components/ui/IconButton.tsx";
import type { User } from "#lib/domain/user.ts";
import { DisableUserDialog } from "./DisableUserDialog.tsx";
import { EditUserDialog } from "./EditUserDialog.tsx";
import { ResetPasswordDialog } from "./ResetPasswordDialog.tsx";
import { UserAccessDialog } from "./UserAccessDialog.tsx";

export function UserMenu({ user, me, reason }: { user: User; me: boolean; reason: string | null }): ReactNode {
  const [open, setOpen] = useState<"edit" | "password" | "access" | "disable" | null>(null);
  const close = (): void => setOpen(null);
  return (
    <>
      <DropdownMenu
        trigger={
          <IconButton label={`Actions on ${user.name}`} size="sm">
            <Ellipsis aria-hidden />
          </IconButton>
        }
      >
        <MenuItem icon={<Pencil aria-hidden />} reason={reason} onSelect={() => setOpen("edit")}>
          Edit name and role
        </MenuItem>
        <MenuItem icon={<KeyRound aria-hidden />} reason={reason} onSelect={() => setOpen("password")}>
          Reset password
        </MenuItem>
        <MenuItem icon={<MonitorSmartphone aria-hidden />} onSelect={() => setOpen("access")}>
          Sessions and tokens
        </MenuItem>
        <MenuItem
          icon={user.disabled ? <UserCheck aria-hidden /> : <UserX aria-hidden />}
          danger={!user.disabled}
          reason={reason ?? (me ? "One cannot disable oneself." : null)}
          onSelect={() => setOpen("disable")}
        >
          {user.disabled ? "Enable" : "Disable"}
        </MenuItem>
      </DropdownMenu>
      {open === "edit" ? <EditUserDialog user={user} onClose={close} /> : null}
      {open === "password" ? <ResetPasswordDialog user={user} onClose={close} /> : null}
      {open === "access" ? <UserAccessDialog user={user} onClose={close} /> : null}
      {open === "disable" ? <DisableUserDialog user={user} onClose={close} /> : null}
    </>
  );
}
