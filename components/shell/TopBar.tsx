"use client";
import { Menu, Search } from "lucide-react";
import Link from "next/link";
import type { ReactNode } from "react";
import { IconButton } from "#components/ui/IconButton.tsx";
import { Kbd } from "#components/ui/Kbd.tsx";
import { BrandMark } from "./Brand.tsx";
import { LiveMark } from "./LiveMark.tsx";
import { ThemeMenu } from "./ThemeMenu.tsx";
import { UserMenu } from "./UserMenu.tsx";

export function TopBar({ onSearch, onMenu }: { onSearch: () => void; onMenu: () => void }): ReactNode {
  return (
    <header className="flex h-11 shrink-0 items-center gap-2 border-b bg-surface px-2 md:px-3">
      <IconButton label="Open the menu" className="md:hidden" onClick={onMenu}>
        <Menu aria-hidden />
      </IconButton>
      <Link href="/" className="flex items-center gap-2 rounded-md px-1 font-semibold">
        <BrandMark />
        <span className="hidden sm:inline">Supravisor</span>
        <span className="sr-only sm:hidden">Supravisor</span>
      </Link>
      <div className="flex min-w-0 grow justify-center px-2">
        <button
          type="button"
          onClick={onSearch}
          aria-keyshortcuts="Control+K Meta+K"
          className="flex h-8 w-full max-w-md min-w-0 items-center gap-2 rounded-md border border-line-strong/60 bg-page px-2.5 text-ink-3 hover:bg-hover"
        >
          <Search aria-hidden className="size-4 shrink-0" />
          <span className="grow truncate text-left">Search or do…</span>
          <span className="hidden items-center gap-1 sm:flex" aria-hidden>
            <Kbd>Ctrl</Kbd>
            <Kbd>K</Kbd>
          </span>
        </button>
      </div>
      <LiveMark />
      <ThemeMenu />
      <UserMenu />
    </header>
  );
}
