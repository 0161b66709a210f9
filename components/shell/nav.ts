import {
  ClipboardList,
  Disc3,
  FileClock,
  Gauge,
  ListChecks,
  Network,
  Rocket,
  Server,
  Settings,
  type LucideIcon,
} from "lucide-react";
import type { Action } from "#lib/domain/role.ts";

export interface NavEntry {
  href: string;
  label: string;
  icon: LucideIcon;
  /** Shown only to those who may. */
  needs: Action;
  /** Words for the palette's search. */
  keywords: string;
}

/** The console's pages, in the order of the rail. */
export const NAV: readonly NavEntry[] = [
  { href: "/", label: "Overview", icon: Gauge, needs: "host.read", keywords: "home start dashboard" },
  { href: "/inventory", label: "Inventory", icon: Network, needs: "vm.read", keywords: "virtual machines vms estate" },
  { href: "/images", label: "Images", icon: Disc3, needs: "image.read", keywords: "library disks upload import" },
  { href: "/deploy", label: "Deploy", icon: Rocket, needs: "request.create", keywords: "provision convert new vm" },
  {
    href: "/requests",
    label: "Requests",
    icon: ClipboardList,
    needs: "request.read",
    keywords: "approve deny pending",
  },
  { href: "/jobs", label: "Jobs", icon: ListChecks, needs: "job.read", keywords: "tasks progress running" },
  { href: "/hosts", label: "Hosts", icon: Server, needs: "host.read", keywords: "hypervisors connections add" },
  { href: "/audit", label: "Audit", icon: FileClock, needs: "audit.read", keywords: "trail log who did what" },
  {
    href: "/settings",
    label: "Settings",
    icon: Settings,
    needs: "token.manage-own",
    keywords: "users tokens approval about health",
  },
];

/** The entry that a path belongs to: the longest one that it begins with. VM pages belong to the inventory. */
export function isCurrent(href: string, path: string): boolean {
  if (href === "/") return path === "/";
  if (href === "/inventory" && path.startsWith("/vms/")) return true;
  return path === href || path.startsWith(`${href}/`);
}
