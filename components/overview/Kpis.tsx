import Link from "next/link";
import type { ReactNode } from "react";
import { StateMark, type StateKind } from "#components/ui/StateMark.tsx";
import type { Overview } from "#lib/domain/overview.ts";

interface Kpi {
  label: string;
  value: number;
  href: string;
  parts: readonly { mark: StateKind; words: string; href: string }[];
}

const number = (value: number): string => value.toLocaleString("en");

function kpisOf({ hosts, vms, images, requests, jobs, library }: Overview): readonly Kpi[] {
  const stopped = vms.total - vms.running;
  const notReady = images.total - images.ready;
  return [
    {
      label: "Hosts",
      value: hosts.total,
      href: "/hosts",
      parts: [
        { mark: "on", words: `${hosts.online} online`, href: "/hosts" },
        ...(hosts.offline > 0 ? [{ mark: "bad" as const, words: `${hosts.offline} offline`, href: "/hosts" }] : []),
        ...(hosts.simulated > 0
          ? [{ mark: "unknown" as const, words: `${hosts.simulated} simulated`, href: "/hosts" }]
          : []),
      ],
    },
    {
      label: "Virtual machines",
      value: vms.total,
      href: "/inventory",
      parts: [
        { mark: "run", words: `${number(vms.running)} running`, href: "/inventory?state=running" },
        ...(stopped > 0
          ? [{ mark: "off" as const, words: `${number(stopped)} not running`, href: "/inventory?state=stopped" }]
          : []),
      ],
    },
    {
      label: "Images",
      value: images.total,
      href: "/images",
      parts: [
        { mark: "done", words: `${images.ready} ready`, href: "/images" },
        ...(notReady > 0 ? [{ mark: "wait" as const, words: `${notReady} not ready`, href: "/images" }] : []),
        ...(library.findings > 0
          ? [
              {
                mark: "bad" as const,
                words: `${number(library.findings)} library findings`,
                href: "/images#library-check",
              },
            ]
          : []),
      ],
    },
    {
      label: "Requests waiting",
      value: requests.pending,
      href: "/requests?status=pending",
      parts: [{ mark: "busy", words: `${requests.running} running`, href: "/requests?status=running" }],
    },
    { label: "Jobs under way", value: jobs.active, href: "/jobs?state=active", parts: [] },
  ];
}

/** Numbers that lead to the rows behind them. */
export function Kpis({ overview }: { overview: Overview }): ReactNode {
  return (
    <ul className="grid grid-cols-2 gap-2 sm:grid-cols-3 lg:grid-cols-5">
      {kpisOf(overview).map((kpi) => (
        <li key={kpi.label} className="rounded-lg border bg-surface">
          <Link prefetch={false} href={kpi.href} className="block rounded-t-lg px-4 pt-3 pb-1 hover:bg-hover">
            <div className="text-xs text-ink-2">{kpi.label}</div>
            <div className="text-2xl font-semibold">{number(kpi.value)}</div>
          </Link>
          <div className="flex min-h-8 flex-wrap gap-x-3 px-4 pb-2 text-xs">
            {kpi.parts.map((part) => (
              <Link
                key={part.words}
                href={part.href}
                className="flex min-h-6 items-center text-ink-2 hover:text-ink hover:underline"
              >
                <StateMark state={part.mark}>{part.words}</StateMark>
              </Link>
            ))}
          </div>
        </li>
      ))}
    </ul>
  );
}
