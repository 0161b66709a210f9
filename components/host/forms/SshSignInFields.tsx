"use client";
import type { ReactNode } from "react";
import { useFormContext, useWatch } from "react-hook-form";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { RadioGroup } from "#components/ui/RadioGroup.tsx";
import { Textarea } from "#components/ui/Textarea.tsx";
import type { FieldsProps } from "./fields.ts";
import type { HostFormFields } from "./form.ts";
import { PasswordField } from "./PasswordField.tsx";

/** Who signs in by SSH, and how. `userHint` says what that account must be allowed to do. */
export function SshSignInFields({ stored, userHint }: FieldsProps & { userHint: string }): ReactNode {
  const { register, formState, control, setValue } = useFormContext<HostFormFields>();
  const { errors } = formState;
  const auth = useWatch({ control, name: "auth" });
  return (
    <>
      <Field label="User" error={errors.user?.message} hint={userHint}>
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
        <PasswordField stored={stored} />
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
    </>
  );
}
