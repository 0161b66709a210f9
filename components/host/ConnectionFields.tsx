"use client";
import type { ReactNode } from "react";
import { useFormContext, useWatch } from "react-hook-form";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { RadioGroup } from "#components/ui/RadioGroup.tsx";
import { Textarea } from "#components/ui/Textarea.tsx";
import type { HostFormValues } from "./host-form.ts";

export interface ConnectionFieldsProps {
  /** Names of secrets that the server holds: an empty field keeps them. */
  stored: readonly string[];
}

export function ConnectionFields({ stored }: ConnectionFieldsProps): ReactNode {
  const { control, setValue } = useFormContext<HostFormValues>();
  const transport = useWatch({ control, name: "transport" });
  return (
    <div className="space-y-4">
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
      {transport === "unix" ? <SocketFields /> : null}
      {transport === "ssh" ? <SshFields stored={stored} /> : null}
      {transport === "tls" ? <TlsFields stored={stored} /> : null}
    </div>
  );
}

function SocketFields(): ReactNode {
  const { register, formState } = useFormContext<HostFormValues>();
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

/** Another address is another host: what was confirmed for the old one does not hold. */
function AddressFields({ defaultPort }: { defaultPort: string }): ReactNode {
  const { register, formState, setValue } = useFormContext<HostFormValues>();
  const forget = (): void => setValue("pin", "");
  return (
    <div className="grid grid-cols-[minmax(0,1fr)_6rem] gap-3">
      <Field label="Host name or address" error={formState.errors.host?.message}>
        <Input spellCheck={false} autoCapitalize="none" {...register("host", { onChange: forget })} />
      </Field>
      <Field label="Port" error={formState.errors.port?.message}>
        <Input inputMode="numeric" placeholder={defaultPort} {...register("port", { onChange: forget })} />
      </Field>
    </div>
  );
}

function SshFields({ stored }: ConnectionFieldsProps): ReactNode {
  const { register, formState, control, setValue } = useFormContext<HostFormValues>();
  const { errors } = formState;
  const auth = useWatch({ control, name: "auth" });
  return (
    <>
      <AddressFields defaultPort="22" />
      <Field label="User" error={errors.user?.message} hint="Must be allowed to use libvirt's socket on that machine.">
        <Input spellCheck={false} autoCapitalize="none" autoComplete="off" {...register("user")} />
      </Field>
      <RadioGroup
        inline
        label="How does it sign in?"
        value={auth}
        onChange={(next) => setValue("auth", next)}
        options={[
          { value: "key", label: "Private key" },
          { value: "password", label: "Password" },
        ]}
      />
      {auth === "password" ? (
        <Field
          label="Password"
          error={errors.password?.message}
          hint={stored.includes("password") ? "One is stored. Leave empty to keep it." : undefined}
        >
          <Input type="password" autoComplete="new-password" {...register("password")} />
        </Field>
      ) : (
        <>
          <Field
            label="Private key"
            error={errors.privateKey?.message}
            hint={
              stored.includes("privateKey")
                ? "One is stored. Leave empty to keep it."
                : "OpenSSH or PEM. Stored encrypted; never shown again."
            }
          >
            <Textarea
              rows={4}
              spellCheck={false}
              className="font-mono text-xs"
              placeholder="-----BEGIN OPENSSH PRIVATE KEY-----"
              {...register("privateKey")}
            />
          </Field>
          <Field label="Passphrase of the key" required={false} error={errors.passphrase?.message}>
            <Input type="password" autoComplete="new-password" {...register("passphrase")} />
          </Field>
        </>
      )}
      <Field
        label="libvirt's socket there"
        required={false}
        error={errors.remoteSocket?.message}
        hint="Empty: the usual places are tried."
      >
        <Input spellCheck={false} placeholder="/run/libvirt/libvirt-sock" {...register("remoteSocket")} />
      </Field>
    </>
  );
}

function TlsFields({ stored }: ConnectionFieldsProps): ReactNode {
  const { register, formState } = useFormContext<HostFormValues>();
  const { errors } = formState;
  const pem = { rows: 4, spellCheck: false, className: "font-mono text-xs" };
  return (
    <>
      <AddressFields defaultPort="16514" />
      <Field
        label="Certificate of the CA"
        required={false}
        error={errors.caCertificate?.message}
        hint="Signed the server's certificate. Empty: you confirm the server's certificate itself."
      >
        <Textarea {...pem} placeholder="-----BEGIN CERTIFICATE-----" {...register("caCertificate")} />
      </Field>
      <Field label="Client certificate" required={false} error={errors.clientCertificate?.message}>
        <Textarea {...pem} placeholder="-----BEGIN CERTIFICATE-----" {...register("clientCertificate")} />
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
        <Textarea {...pem} placeholder="-----BEGIN PRIVATE KEY-----" {...register("clientKey")} />
      </Field>
    </>
  );
}
