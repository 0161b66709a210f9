"use client";
import type { ReactNode } from "react";
import { useFormContext } from "react-hook-form";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { AddressFields } from "./AddressFields.tsx";
import { CaCertificateField } from "./CaCertificateField.tsx";
import type { FieldsProps } from "./fields.ts";
import type { HostFormFields } from "./form.ts";
import { PasswordField } from "./PasswordField.tsx";

/** `userHint` says what that account must be allowed to do. */
function HttpsAccountFields({ stored, userHint }: FieldsProps & { userHint: string }): ReactNode {
  const { register, formState } = useFormContext<HostFormFields>();
  return (
    <>
      <AddressFields defaultPort="443" />
      <Field label="User" error={formState.errors.user?.message} hint={userHint}>
        <Input spellCheck={false} autoCapitalize="none" autoComplete="off" {...register("user")} />
      </Field>
      <PasswordField stored={stored} />
      <CaCertificateField />
    </>
  );
}

export function VmwareFields({ stored }: FieldsProps): ReactNode {
  return (
    <HttpsAccountFields
      stored={stored}
      userHint="Of a vCenter with its domain; of an ESXi host root, or an account with the role Administrator."
    />
  );
}

export function XapiFields({ stored }: FieldsProps): ReactNode {
  return (
    <HttpsAccountFields stored={stored} userHint="root, or an account with the role Pool Operator or VM Power Admin." />
  );
}
