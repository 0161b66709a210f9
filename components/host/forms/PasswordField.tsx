"use client";
import type { ReactNode } from "react";
import { useFormContext } from "react-hook-form";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import type { FieldsProps } from "./fields.ts";
import type { HostFormFields } from "./form.ts";

export function PasswordField({ stored }: FieldsProps): ReactNode {
  const { register, formState } = useFormContext<HostFormFields>();
  return (
    <Field
      label="Password"
      error={formState.errors.password?.message}
      hint={
        stored.includes("password") ? "One is stored. Leave empty to keep it." : "Stored encrypted; never shown again."
      }
    >
      <Input type="password" autoComplete="new-password" {...register("password")} />
    </Field>
  );
}
