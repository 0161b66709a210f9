"use client";
import { PanelLeftClose, PanelLeftOpen } from "lucide-react";
import type { ReactNode } from "react";
import { cn } from "#components/ui/cn.ts";
import { IconButton } from "#components/ui/IconButton.tsx";
import { NavLinks } from "./NavLinks.tsx";
import { useStoredFlag } from "./stored-flag.ts";

export function Rail(): ReactNode {
  const [narrow, setNarrow] = useStoredFlag("rail-narrow", false);
  return (
    <nav
      aria-label="Main"
      className={cn("hidden shrink-0 flex-col border-r bg-surface md:flex", narrow ? "w-13" : "w-48")}
    >
      <div className="min-h-0 grow overflow-y-auto">
        <NavLinks narrow={narrow} />
      </div>
      <div className={cn("flex border-t p-2", narrow ? "justify-center" : "justify-end")}>
        <IconButton
          label={narrow ? "Widen the menu" : "Narrow the menu"}
          size="sm"
          aria-expanded={!narrow}
          onClick={() => setNarrow(!narrow)}
        >
          {narrow ? <PanelLeftOpen aria-hidden /> : <PanelLeftClose aria-hidden />}
        </IconButton>
      </div>
    </nav>
  );
}
