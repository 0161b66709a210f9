"use client";
import type { ReactNode } from "react";
import { useFormContext, useWatch } from "react-hook-form";
import { RadioGroup } from "#components/ui/RadioGroup.tsx";
import { AddressFields } from "./AddressFields.tsx";
import type { FieldsProps } from "./fields.ts";
import type { HostFormFields } from "./form.ts";
import { SshSignInFields } from "./SshSignInFields.tsx";

export function VirtualBoxFields({ stored }: FieldsProps): ReactNode {
  const { control, setValue } = useFormContext<HostFormFields>();
  const transport = useWatch({ control, name: "transport" });
  return (
    <>
      <div>
        <div className="mb-1.5 text-xs font-medium text-ink-2">How is it reached?</div>
        <RadioGroup
          label="How is it reached?"
          value={transport}
          onChange={(next) => {
            setValue("transport", next);
            setValue("pin", "");
          }}
          options={[
            { value: "ssh", label: "SSH", hint: "VirtualBox on another machine, with SFTP" },
            { value: "local", label: "This server", hint: "VirtualBox of the user that Supravisor runs as" },
          ]}
        />
      </div>
      {transport === "ssh" ? (
        <>
          <AddressFields defaultPort="22" />
          <SshSignInFields
            stored={stored}
            userHint="The one whose VMs these are: VirtualBox keeps them apart by user."
          />
        </>
      ) : null}
    </>
  );
}
