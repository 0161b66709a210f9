"use client";
import { useQuery } from "@tanstack/react-query";
import { Command } from "cmdk";
import { Box, Disc3, Moon, Plus, Search, Server, Sun } from "lucide-react";
import { useTheme } from "next-themes";
import { useRouter } from "next/navigation";
import { Dialog } from "radix-ui";
import { useDeferredValue, useEffect, useState, type ReactNode } from "react";
import { VendorGlyph } from "#components/host/VendorMark.tsx";
import { useSession } from "#components/session/session-context.ts";
import { cn } from "#components/ui/cn.ts";
import { OVERLAY, PANEL } from "#components/ui/Dialog.tsx";
import { may } from "#lib/domain/role.ts";
import { hostQueries } from "#lib/http/queries/host.ts";
import { imageQueries } from "#lib/http/queries/image.ts";
import { vmQueries } from "#lib/http/queries/vm.ts";
import { NAV } from "./nav.ts";

export function CommandPalette({
  open,
  onOpenChange,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}): ReactNode {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey)
        return;
      event.preventDefault();
      onOpenChange(!open);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [open, onOpenChange]);
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className={OVERLAY} />
        <Dialog.Content
          aria-describedby={undefined}
          className={cn(PANEL, "top-[12dvh] max-h-[70dvh] max-w-xl translate-y-0")}
        >
          <Dialog.Title className="sr-only">Search and commands</Dialog.Title>
          <Palette onDone={() => onOpenChange(false)} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

const ITEM =
  "flex h-8 cursor-default items-center gap-2.5 rounded-sm px-2 data-[selected=true]:bg-hover [&_svg]:size-4 [&_svg]:shrink-0 [&_svg]:text-ink-3";
const GROUP =
  "p-1 [&_[cmdk-group-heading]]:px-2 [&_[cmdk-group-heading]]:py-1 [&_[cmdk-group-heading]]:text-xs [&_[cmdk-group-heading]]:text-ink-3";

function Palette({ onDone }: { onDone: () => void }): ReactNode {
  const [typed, setTyped] = useState("");
  const q = useDeferredValue(typed.trim());
  const router = useRouter();
  const { resolvedTheme, setTheme } = useTheme();
  const { role } = useSession().user;
  const hosts = useQuery(hostQueries.list());
  const vms = useQuery({ ...vmQueries.some({ q }, 8), enabled: q !== "" });
  const images = useQuery({ ...imageQueries.some(q, 5), enabled: q !== "" });
  const go = (href: string) => () => {
    onDone();
    router.push(href);
  };
  const dark = resolvedTheme === "dark";
  return (
    <Command label="Search and commands" className="flex min-h-0 flex-col">
      <div className="flex items-center gap-2 border-b px-3">
        <Search aria-hidden className="size-4 text-ink-3" />
        <Command.Input
          value={typed}
          onValueChange={setTyped}
          placeholder="Pages, virtual machines, hosts, images, actions"
          className="h-11 grow bg-transparent text-base outline-none"
        />
      </div>
      <Command.List className="min-h-0 overflow-y-auto">
        <Command.Empty className="px-4 py-6 text-center text-ink-2">
          {vms.isFetching || images.isFetching ? "Searching…" : `Nothing is called “${typed}”.`}
        </Command.Empty>
        <Command.Group heading="Pages" className={GROUP}>
          {NAV.filter((entry) => may(role, entry.needs)).map((entry) => (
            <Command.Item
              key={entry.href}
              value={`page ${entry.label}`}
              keywords={[entry.label, ...entry.keywords.split(" ")]}
              onSelect={go(entry.href)}
              className={ITEM}
            >
              <entry.icon aria-hidden />
              {entry.label}
            </Command.Item>
          ))}
        </Command.Group>
        {vms.data && vms.data.items.length > 0 ? (
          <Command.Group heading="Virtual machines" className={GROUP}>
            {vms.data.items.map((vm) => (
              <Command.Item
                key={`${vm.hostId}/${vm.ref}`}
                value={`vm ${vm.name} ${vm.hostId} ${vm.ref}`}
                keywords={[vm.name]}
                onSelect={go(`/vms/${vm.hostId}/${encodeURIComponent(vm.ref)}`)}
                className={ITEM}
              >
                <Box aria-hidden />
                <span className="truncate">{vm.name}</span>
                <span className="ml-auto text-xs text-ink-3">{vm.hostName}</span>
              </Command.Item>
            ))}
          </Command.Group>
        ) : null}
        <Command.Group heading="Hosts" className={GROUP}>
          {(hosts.data ?? []).map((host) => (
            <Command.Item
              key={host.id}
              value={`host ${host.name} ${host.id}`}
              keywords={[host.name, host.vendor]}
              onSelect={go(`/hosts/${host.id}`)}
              className={ITEM}
            >
              <VendorGlyph vendor={host.vendor} />
              <span className="truncate">{host.name}</span>
            </Command.Item>
          ))}
        </Command.Group>
        {images.data && images.data.items.length > 0 ? (
          <Command.Group heading="Images" className={GROUP}>
            {images.data.items.map((image) => (
              <Command.Item
                key={image.id}
                value={`image ${image.name} ${image.id}`}
                keywords={[image.name]}
                onSelect={go(`/images/${image.id}`)}
                className={ITEM}
              >
                <Disc3 aria-hidden />
                <span className="truncate">{image.name}</span>
              </Command.Item>
            ))}
          </Command.Group>
        ) : null}
        <Command.Group heading="Actions" className={GROUP}>
          {may(role, "request.create") ? (
            <Command.Item value="action deploy an image" onSelect={go("/deploy")} className={ITEM}>
              <Plus aria-hidden />
              Deploy an image
            </Command.Item>
          ) : null}
          {may(role, "host.add") ? (
            <Command.Item
              value="action add a host"
              keywords={["connect", "hypervisor"]}
              onSelect={go("/hosts/new")}
              className={ITEM}
            >
              <Server aria-hidden />
              Add a host
            </Command.Item>
          ) : null}
          <Command.Item
            value="action switch theme light dark"
            onSelect={() => {
              onDone();
              setTheme(dark ? "light" : "dark");
            }}
            className={ITEM}
          >
            {dark ? <Sun aria-hidden /> : <Moon aria-hidden />}
            Switch to the {dark ? "light" : "dark"} theme
          </Command.Item>
        </Command.Group>
      </Command.List>
    </Command>
  );
}
