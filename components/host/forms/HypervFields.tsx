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
import { PasswordField } from "./PasswordField.tsx";

export function HypervFields({ stored }: FieldsProps): ReactNode {
  const { control, setValue, register, formState } = useFormContext<HostFormFields>();
  const transport = useWatch({ control, name: "transport" });
  const auth = useWatch({ control, name: "auth" });
  const byCertificate = transport === "https" && auth === "certificate";
  return (
    <>
      <RadioGroup
        label="How is WinRM reached?"
        value={transport}
        onChange={(next) => {
          setValue("transport", next);
          setValue("port", "");
          setValue("pin", "");
          if (next === "http") setValue("auth", "ntlm");
        }}
        options={[
          { value: "https", label: "HTTPS", hint: "The host needs an HTTPS listener (port 5986)" },
          {
            value: "http",
            label: "HTTP, sealed by NTLM",
            hint: "What a fresh server offers (port 5985): every message is encrypted and signed under the password",
          },
        ]}
      />
      <AddressFields defaultPort={transport === "http" ? "5985" : "5986"} />
      {transport === "https" ? (
        <RadioGroup
          inline
          label="How does it sign in?"
          value={auth}
          onChange={(next) => setValue("auth", next)}
          options={[
            { value: "ntlm", label: "NTLM" },
            { value: "basic", label: "Basic" },
            { value: "certificate", label: "Client certificate" },
          ]}
        />
      ) : null}
      {byCertificate ? (
        <CertificateFields stored={stored} />
      ) : (
        <>
          <Field
            label="User"
            error={formState.errors.user?.message}
            hint="Administrator, DOMAIN\user or user@domain; in Hyper-V Administrators and Remote Management Users."
          >
            <Input spellCheck={false} autoCapitalize="none" autoComplete="off" {...register("user")} />
          </Field>
          <PasswordField stored={stored} />
        </>
      )}
      {transport === "https" ? <CaCertificateField /> : null}
      <Field
        label="Address of this console, as the host sees it"
        required={false}
        error={formState.errors.callback?.message}
        hint="The host fetches and sends disks itself. Empty: the address that the console connects from."
      >
        <Input spellCheck={false} autoCapitalize="none" {...register("callback")} />
      </Field>
    </>
  );
}

function CertificateFields({ stored }: FieldsProps): ReactNode {
  const { register, formState } = useFormContext<HostFormFields>();
  const text = { rows: 4, spellCheck: false, className: "font-mono text-xs" };
  return (
    <>
      <Field label="Client certificate" error={formState.errors.clientCertificate?.message}>
        <Textarea {...text} placeholder="-----BEGIN CERTIFICATE-----" {...register("clientCertificate")} />
      </Field>
      <Field
        label="Key of the client certificate"
        error={formState.errors.clientKey?.message}
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
