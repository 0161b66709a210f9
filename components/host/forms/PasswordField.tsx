"use client";
import type { ReactNode } from "react";
import { useFormContext } from "react-hook-form";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import type { FieldsProps } from "./fields.ts";
import type { HostFormFields } from "./form.ts";

/** `hint`: what an empty field means when none is stored. */
export function PasswordField({
  stored,
  name = "password",
  label = "Password",
  required = true,
  hint = "Stored encrypted; never shown again.",
}: FieldsProps & { name?: "password" | "sshPassword"; label?: string; required?: boolean; hint?: string }): ReactNode {
  const { register, formState } = useFormContext<HostFormFields>();
  return (
    <Field
      label={label}
      required={required}
      error={formState.errors[name]?.message}
      hint={stored.includes(name) ? "One is stored. Leave empty to keep it." : hint}
    >
      <Input type="password" autoComplete="new-password" {...register(name)} />
    </Field>
  );
}
