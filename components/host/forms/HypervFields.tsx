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
import { SshSignInFields } from "./SshSignInFields.tsx";

export function HypervFields({ stored }: FieldsProps): ReactNode {
  const { control, setValue, register, formState } = useFormContext<HostFormFields>();
  const transport = useWatch({ control, name: "transport" });
  const auth = useWatch({ control, name: "auth" });
  const files = useWatch({ control, name: "files" });
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
          if (next === "http" && auth !== "kerberos") setValue("auth", "ntlm");
        }}
        options={[
          { value: "https", label: "HTTPS", hint: "The host needs an HTTPS listener (port 5986)" },
          {
            value: "http",
            label: "HTTP, sealed",
            hint: "What a fresh server offers (port 5985): every message is encrypted and signed under the sign-in",
          },
        ]}
      />
      <AddressFields defaultPort={transport === "http" ? "5985" : "5986"} />
      <RadioGroup
        inline
        label="How does it sign in?"
        value={auth}
        onChange={(next) => setValue("auth", next)}
        options={[
          { value: "ntlm", label: "NTLM" },
          { value: "kerberos", label: "Kerberos" },
          // A password or a certificate of its own seals nothing.
          ...(transport === "https"
            ? [
                { value: "basic", label: "Basic" },
                { value: "certificate", label: "Client certificate" },
              ]
            : []),
        ]}
      />
      {byCertificate ? (
        <CertificateFields stored={stored} />
      ) : (
        <>
          <Field
            label="User"
            error={formState.errors.user?.message}
            hint={
              auth === "kerberos"
                ? "user@domain.example; in Hyper-V Administrators and Remote Management Users. The host by its full name."
                : "Administrator, DOMAIN\\user or user@domain; in Hyper-V Administrators and Remote Management Users."
            }
          >
            <Input spellCheck={false} autoCapitalize="none" autoComplete="off" {...register("user")} />
          </Field>
          <PasswordField
            stored={stored}
            {...(auth === "kerberos"
              ? { required: false, hint: "Empty: the server's own tickets or key table (KRB5_CLIENT_KTNAME)." }
              : {})}
          />
        </>
      )}
      {transport === "https" ? <CaCertificateField /> : null}
      <div>
        <div className="mb-1.5 text-xs font-medium text-ink-2">How do disks come and go?</div>
        <RadioGroup
          label="How do disks come and go?"
          value={files}
          onChange={(next) => setValue("files", next)}
          options={[
            { value: "winrm", label: "The host fetches and sends them", hint: "By HTTPS requests to this console" },
            {
              value: "sftp",
              label: "SFTP",
              hint: "By the OpenSSH server of the host: it needs no way to this console, and checkpoints are read where they lie",
            },
          ]}
        />
      </div>
      {files === "sftp" ? <SftpFields stored={stored} /> : <CallbackField />}
    </>
  );
}

function CallbackField(): ReactNode {
  const { register, formState } = useFormContext<HostFormFields>();
  return (
    <Field
      label="Address of this console, as the host sees it"
      required={false}
      error={formState.errors.callback?.message}
      hint="Empty: the address that the console connects from."
    >
      <Input spellCheck={false} autoCapitalize="none" {...register("callback")} />
    </Field>
  );
}

function SftpFields({ stored }: FieldsProps): ReactNode {
  const { register, formState, setValue } = useFormContext<HostFormFields>();
  return (
    <>
      <Field label="Port of SSH" error={formState.errors.sftpPort?.message}>
        <Input
          inputMode="numeric"
          placeholder="22"
          {...register("sftpPort", { onChange: () => setValue("sftpPin", "") })}
        />
      </Field>
      <SshSignInFields
        stored={stored}
        beside
        userHint="Must be allowed to write where new disks go, and to read those of the machines: an administrator."
      />
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
