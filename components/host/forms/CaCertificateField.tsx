"use client";
import type { ReactNode } from "react";
import { useFormContext } from "react-hook-form";
import { Field } from "#components/ui/Field.tsx";
import { Textarea } from "#components/ui/Textarea.tsx";
import type { HostFormFields } from "./form.ts";

export function CaCertificateField(): ReactNode {
  const { register, formState } = useFormContext<HostFormFields>();
  return (
    <Field
      label="Certificate of the CA"
      required={false}
      error={formState.errors.caCertificate?.message}
      hint="Signed the server's certificate. Empty: you confirm the server's certificate itself."
    >
      <Textarea
        rows={4}
        spellCheck={false}
        className="font-mono text-xs"
        placeholder="-----BEGIN CERTIFICATE-----"
        {...register("caCertificate")}
      />
    </Field>
  );
}
