"use client";
import { useState, type ReactNode } from "react";
import { TaskDrawer } from "#components/job/TaskDrawer.tsx";
import { CommandPalette } from "./CommandPalette.tsx";
import { LiveProvider } from "./LiveProvider.tsx";
import { MobileNav } from "./MobileNav.tsx";
import { Rail } from "./Rail.tsx";
import { TopBar } from "./TopBar.tsx";

/** The frame around every page: top bar, rail, page, task drawer. Only the page scrolls. */
export function Frame({ children }: { children: ReactNode }): ReactNode {
  const [palette, setPalette] = useState(false);
  const [menu, setMenu] = useState(false);
  return (
    <LiveProvider>
      <div className="flex h-dvh flex-col">
        <a
          href="#page"
          className="sr-only rounded-md bg-accent px-3 py-2 text-on-accent focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-70"
        >
          Skip to the page
        </a>
        <TopBar onSearch={() => setPalette(true)} onMenu={() => setMenu(true)} />
        <div className="flex min-h-0 grow">
          <Rail />
          <main id="page" tabIndex={-1} className="relative min-w-0 grow overflow-y-auto outline-none">
            {children}
          </main>
        </div>
        <TaskDrawer />
      </div>
      <CommandPalette open={palette} onOpenChange={setPalette} />
      <MobileNav open={menu} onOpenChange={setMenu} />
    </LiveProvider>
  );
}
