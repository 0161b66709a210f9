"use client";
import type { ReactNode } from "react";
import { useFormContext, useWatch } from "react-hook-form";
import { RadioGroup } from "#components/ui/RadioGroup.tsx";
import type { HostFormFields } from "./forms/form.ts";
import { emptyFields, FORM_DRIVERS, formOf } from "./forms/registry.ts";
import { VendorGlyph } from "./VendorMark.tsx";
import { VerifiedMark } from "./VerifiedMark.tsx";

/** What kind of host a new one is. Another kind begins with its own fields; the name stays. */
export function DriverChoice(): ReactNode {
  const { control, reset, getValues } = useFormContext<HostFormFields>();
  const driver = useWatch({ control, name: "driver" });
  return (
    <div>
      <div className="mb-1.5 text-xs font-medium text-ink-2">What kind of host is it?</div>
      <RadioGroup
        label="What kind of host is it?"
        value={driver}
        onChange={(next) => reset(emptyFields(next, getValues("name")))}
        options={FORM_DRIVERS.map((id) => {
          const { label, hint, vendor } = formOf(id);
          return {
            value: id,
            label: (
              <span className="inline-flex items-center gap-1.5">
                <VendorGlyph vendor={vendor} /> {label}
              </span>
            ),
            hint,
          };
        })}
      />
      <div className="mt-2">
        <VerifiedMark driver={driver} />
      </div>
    </div>
  );
}
