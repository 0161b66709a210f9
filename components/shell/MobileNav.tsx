"use client";
import { X } from "lucide-react";
import { Dialog } from "radix-ui";
import type { ReactNode } from "react";
import { OVERLAY } from "#components/ui/Dialog.tsx";
import { IconButton } from "#components/ui/IconButton.tsx";
import { NavLinks } from "./NavLinks.tsx";

/** The rail of narrow screens: a sheet from the left. */
export function MobileNav({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }): ReactNode {
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className={OVERLAY} />
        <Dialog.Content
          aria-describedby={undefined}
          className="appear fixed inset-y-0 left-0 z-50 w-64 border-r bg-surface"
        >
          <div className="flex h-11 items-center justify-between border-b px-3">
            <Dialog.Title className="font-semibold">Supravisor</Dialog.Title>
            <Dialog.Close asChild>
              <IconButton label="Close the menu" size="sm">
                <X aria-hidden />
              </IconButton>
            </Dialog.Close>
          </div>
          <nav aria-label="Main">
            <NavLinks narrow={false} onFollow={() => onOpenChange(false)} />
          </nav>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
