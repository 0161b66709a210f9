"use client";
import { Monitor, Moon, Sun } from "lucide-react";
import { useTheme } from "next-themes";
import type { ReactNode } from "react";
import { DropdownMenu, MenuRadio } from "#components/ui/DropdownMenu.tsx";
import { IconButton } from "#components/ui/IconButton.tsx";

const THEMES = [
  { value: "light", label: "Light", icon: <Sun aria-hidden /> },
  { value: "dark", label: "Dark", icon: <Moon aria-hidden /> },
  { value: "system", label: "As the system", icon: <Monitor aria-hidden /> },
] as const;

export function ThemeMenu(): ReactNode {
  const { theme, resolvedTheme, setTheme } = useTheme();
  return (
    <DropdownMenu
      trigger={
        <IconButton label="Theme">{resolvedTheme === "dark" ? <Moon aria-hidden /> : <Sun aria-hidden />}</IconButton>
      }
    >
      <MenuRadio value={theme ?? "system"} onChange={setTheme} options={THEMES} />
    </DropdownMenu>
  );
}
