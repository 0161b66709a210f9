"use client";
import type { ReactNode } from "react";
import { useFormContext, useWatch } from "react-hook-form";
import type { DriverFields, FieldsProps } from "./forms/fields.ts";
import type { FormDriver, HostFormFields } from "./forms/form.ts";
import { VmwareFields, XapiFields } from "./forms/HttpsAccountFields.tsx";
import { HypervFields } from "./forms/HypervFields.tsx";
import { LibvirtFields } from "./forms/LibvirtFields.tsx";
import { VirtualBoxFields } from "./forms/VirtualBoxFields.tsx";

const FIELDS: Record<FormDriver, DriverFields> = {
  kvm: LibvirtFields,
  xen: LibvirtFields,
  vmware: VmwareFields,
  xapi: XapiFields,
  virtualbox: VirtualBoxFields,
  hyperv: HypervFields,
};

/** How the chosen kind of host is reached. */
export function ConnectionFields({ stored }: FieldsProps): ReactNode {
  const { control } = useFormContext<HostFormFields>();
  const driver = useWatch({ control, name: "driver" });
  const Fields = FIELDS[driver];
  return (
    <div className="space-y-4">
      <Fields stored={stored} />
    </div>
  );
}
