"use client";
import { useState, type ReactNode } from "react";
import { Button } from "#components/ui/Button.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import type { VmRow } from "#lib/domain/host.ts";
import { CaptureDisks } from "./CaptureDisks.tsx";
import { useLinkVm } from "./useLinkVm.ts";

/** Which of the VM's disks go. Those that its host gives to nobody say why. */
export function LinkVmForm({ vm, onDone }: { vm: VmRow; onDone: () => void }): ReactNode {
  const link = useLinkVm(vm);
  const [chosen, setChosen] = useState<readonly string[]>(() =>
    vm.disks.filter((disk) => disk.captureBlocker === null).map(({ id }) => id),
  );
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        if (chosen.length > 0) link.mutate(chosen);
      }}
    >
      <CaptureDisks vm={vm} chosen={chosen} onChange={setChosen} />
      {link.error ? <ErrorNotice error={link.error} /> : null}
      <div className="flex justify-end gap-2">
        <Button onClick={onDone}>Cancel</Button>
        <Button type="submit" variant="primary" busy={link.isPending} disabled={chosen.length === 0}>
          Choose hosts
        </Button>
      </div>
    </form>
  );
}
