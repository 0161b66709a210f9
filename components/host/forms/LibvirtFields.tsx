"use client";
import type { ReactNode } from "react";
import { useFormContext, useWatch } from "react-hook-form";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { RadioGroup } from "#components/ui/RadioGroup.tsx";
import { Textarea } from "#components/ui/Textarea.tsx";
import { AddressFields } from "./AddressFields.tsx";
import { CaCertificateField } from "./CaCertificateField.tsx";
import type { FieldsProps } from "./fields.ts";
import type { HostFormFields } from "./form.ts";
import { SshSignInFields } from "./SshSignInFields.tsx";

export function LibvirtFields({ stored }: FieldsProps): ReactNode {
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
            setValue("port", "");
            setValue("pin", "");
          }}
          options={[
            { value: "unix", label: "Local socket", hint: "libvirt on the server that Supravisor runs on" },
            { value: "ssh", label: "SSH", hint: "libvirt's socket on another machine, through SSH" },
            { value: "tls", label: "TLS", hint: "libvirt listens itself, with certificates (port 16514)" },
          ]}
        />
      </div>
      {transport === "unix" ? <SocketField /> : null}
      {transport === "ssh" ? <SshFields stored={stored} /> : null}
      {transport === "tls" ? <TlsFields stored={stored} /> : null}
    </>
  );
}

function SocketField(): ReactNode {
  const { register, formState } = useFormContext<HostFormFields>();
  return (
    <Field
      label="Socket"
      error={formState.errors.socket?.message}
      hint="The user that Supravisor runs as must be allowed to write to it."
    >
      <Input spellCheck={false} {...register("socket")} />
    </Field>
  );
}

function SshFields({ stored }: FieldsProps): ReactNode {
  const { register, formState } = useFormContext<HostFormFields>();
  return (
    <>
      <AddressFields defaultPort="22" />
      <SshSignInFields stored={stored} userHint="Must be allowed to use libvirt's socket on that machine." />
      <Field
        label="libvirt's socket there"
        required={false}
        error={formState.errors.remoteSocket?.message}
        hint="Empty: the usual places are tried."
      >
        <Input spellCheck={false} placeholder="/run/libvirt/libvirt-sock" {...register("remoteSocket")} />
      </Field>
    </>
  );
}

function TlsFields({ stored }: FieldsProps): ReactNode {
  const { register, formState } = useFormContext<HostFormFields>();
  const { errors } = formState;
  const text = { rows: 4, spellCheck: false, className: "font-mono text-xs" };
  return (
    <>
      <AddressFields defaultPort="16514" />
      <CaCertificateField />
      <Field label="Client certificate" required={false} error={errors.clientCertificate?.message}>
        <Textarea {...text} placeholder="-----BEGIN CERTIFICATE-----" {...register("clientCertificate")} />
      </Field>
      <Field
        label="Key of the client certificate"
        required={false}
        error={errors.clientKey?.message}
        hint={
          stored.includes("clientKey")
            ? "One is stored. Leave empty to keep it."
            : "Stored encrypted; never shown again."
        }
      >
        <Textarea {...text} placeholder="-----BEGIN PRIVATE KEY-----" {...register("clientKey")} />
      </Field>
    </>
  );
}
