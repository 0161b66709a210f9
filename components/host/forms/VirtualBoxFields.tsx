"use client";
import type { ReactNode } from "react";
import { useFormContext, useWatch } from "react-hook-form";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { RadioGroup } from "#components/ui/RadioGroup.tsx";
import { AddressFields } from "./AddressFields.tsx";
import type { FieldsProps } from "./fields.ts";
import type { HostFormFields } from "./form.ts";
import { SshSignInFields } from "./SshSignInFields.tsx";

export function VirtualBoxFields({ stored }: FieldsProps): ReactNode {
  const { control, setValue, register, formState } = useFormContext<HostFormFields>();
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
      <Field
        label="VBoxManage"
        required={false}
        error={formState.errors.program?.message}
        hint="Its full path on that machine. Empty: the usual places are tried."
      >
        <Input spellCheck={false} autoCapitalize="none" placeholder="/usr/bin/VBoxManage" {...register("program")} />
      </Field>
    </>
  );
}
