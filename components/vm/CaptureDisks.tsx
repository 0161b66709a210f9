import type { ReactNode } from "react";
import { Checkbox } from "#components/ui/Checkbox.tsx";
import type { VmRow } from "#lib/domain/host.ts";
import { inBootOrder } from "#lib/domain/vm-rules.ts";
import { formatBytes } from "#lib/format/bytes.ts";

/** Which disks of a VM go into a capture. Those that cannot say why. */
export function CaptureDisks({
  vm,
  chosen,
  onChange,
}: {
  vm: VmRow;
  chosen: readonly string[];
  onChange: (chosen: readonly string[]) => void;
}): ReactNode {
  const disks = inBootOrder(vm.disks);
  const sizes = disks.filter(({ id }) => chosen.includes(id)).map(({ capacity }) => capacity);
  const total = sizes.some((size) => size === null)
    ? ""
    : `, ${formatBytes(sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0))} as the guest sees them`;
  return (
    <fieldset className="space-y-2">
      <legend className="mb-1 text-xs font-medium text-ink-2">Disks</legend>
      {disks.map(({ id, label, capacity, allocated, captureBlocker }) => (
        <Checkbox
          key={id}
          checked={chosen.includes(id)}
          disabled={captureBlocker !== null}
          onChange={(checked) => onChange(checked ? [...chosen, id] : chosen.filter((each) => each !== id))}
          label={label}
          hint={
            captureBlocker !== null
              ? `Left out. ${captureBlocker}`
              : `${formatBytes(capacity)}${allocated === null ? "" : `, ${formatBytes(allocated)} of it stored`}`
          }
        />
      ))}
      <p className="text-xs text-ink-3">
        {chosen.length === 0
          ? "Choose at least one disk."
          : `${chosen.length} of ${disks.length}${total}, all of one moment. Empty ranges are not copied.`}
      </p>
    </fieldset>
  );
}
