"use client";
import { KeyRound, LogOut, MonitorSmartphone, User as Person } from "lucide-react";
import { signOut } from "next-auth/react";
import { useRouter } from "next/navigation";
import { useState, type ReactNode } from "react";
import { useSession } from "#components/session/session-context.ts";
import { ChangePasswordDialog } from "#components/session/ChangePasswordDialog.tsx";
import { Badge } from "#components/ui/Badge.tsx";
import { Button } from "#components/ui/Button.tsx";
import { DropdownMenu, MenuItem, MenuLabel, MenuSeparator } from "#components/ui/DropdownMenu.tsx";
import { ROLE_LABEL } from "#lib/domain/role.ts";

export function UserMenu(): ReactNode {
  const { user } = useSession();
  const router = useRouter();
  const [password, setPassword] = useState(false);
  return (
    <>
      <DropdownMenu
        trigger={
          <Button variant="ghost" aria-label={`${user.name}, ${ROLE_LABEL[user.role]}: account`} className="px-2">
            <Person aria-hidden />
            <span className="hidden max-w-40 truncate md:inline">{user.name}</span>
            <Badge className="hidden xl:inline-flex">{ROLE_LABEL[user.role]}</Badge>
          </Button>
        }
      >
        <MenuLabel>
          <div className="font-medium text-ink">{user.name}</div>
          <div>{user.email}</div>
          <div>{ROLE_LABEL[user.role]}</div>
        </MenuLabel>
        <MenuSeparator />
        {user.hasPassword ? (
          <MenuItem icon={<KeyRound aria-hidden />} onSelect={() => setPassword(true)}>
            Change password
          </MenuItem>
        ) : null}
        <MenuItem icon={<MonitorSmartphone aria-hidden />} onSelect={() => router.push("/settings?tab=sessions")}>
          Sessions
        </MenuItem>
        <MenuItem icon={<KeyRound aria-hidden />} onSelect={() => router.push("/settings?tab=tokens")}>
          API tokens
        </MenuItem>
        <MenuSeparator />
        <MenuItem icon={<LogOut aria-hidden />} onSelect={() => void signOut({ callbackUrl: "/sign-in" })}>
          Sign out
        </MenuItem>
      </DropdownMenu>
      <ChangePasswordDialog open={password} onOpenChange={setPassword} />
    </>
  );
}
