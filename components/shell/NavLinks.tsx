"use client";
import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { usePathname } from "next/navigation";
import type { ReactNode } from "react";
import { useSession } from "#components/session/session-context.ts";
import { cn } from "#components/ui/cn.ts";
import { Tooltip } from "#components/ui/Tooltip.tsx";
import { may } from "#lib/domain/role.ts";
import { overviewQueries } from "#lib/http/queries/overview.ts";
import { isCurrent, NAV } from "./nav.ts";

export function NavLinks({ narrow, onFollow }: { narrow: boolean; onFollow?: () => void }): ReactNode {
  const path = usePathname();
  const { role } = useSession().user;
  const overview = useQuery(overviewQueries.summary());
  const counts: Record<string, { count: number; words: string } | undefined> = {
    "/requests": { count: overview.data?.requests.pending ?? 0, words: "waiting for a decision" },
    "/jobs": { count: overview.data?.jobs.active ?? 0, words: "under way" },
  };
  return (
    <ul className="flex flex-col gap-0.5 p-2">
      {NAV.filter((entry) => may(role, entry.needs)).map((entry) => {
        const current = isCurrent(entry.href, path);
        const waiting = counts[entry.href];
        const link = (
          <Link
            href={entry.href}
            aria-current={current ? "page" : undefined}
            {...(onFollow ? { onClick: onFollow } : {})}
            className={cn(
              "relative flex h-8 items-center gap-2.5 rounded-md px-2.5 text-ink-2 hover:bg-hover hover:text-ink",
              current && "bg-accent-weak font-medium text-accent-ink hover:bg-accent-weak hover:text-accent-ink",
              narrow && "justify-center px-0",
            )}
          >
            <entry.icon aria-hidden className="size-4 shrink-0" />
            <span className={narrow ? "sr-only" : "grow"}>{entry.label}</span>
            {waiting && waiting.count > 0 ? (
              <span
                className={cn(
                  "rounded-full bg-accent px-1.5 text-2xs font-medium text-on-accent",
                  narrow && "absolute -top-0.5 right-0 px-1",
                )}
              >
                {waiting.count}
                <span className="sr-only"> {waiting.words}</span>
              </span>
            ) : null}
          </Link>
        );
        return (
          <li key={entry.href}>
            {narrow ? (
              <Tooltip text={entry.label} side="right">
                {link}
              </Tooltip>
            ) : (
              link
            )}
          </li>
        );
      })}
    </ul>
  );
}
