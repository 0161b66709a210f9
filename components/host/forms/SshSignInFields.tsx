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

const OWN = { user: "user", auth: "auth", password: "password" } as const;
/** Beside an account of another kind. */
const BESIDE = { user: "sftpUser", auth: "sftpAuth", password: "sshPassword" } as const;

/**
 * Who signs in by SSH, and how. `userHint` says what that account must be allowed to do. `beside`: the host has another
 * account as well, whose password goes here when no other is given.
 */
export function SshSignInFields({
  stored,
  userHint,
  beside = false,
}: FieldsProps & { userHint: string; beside?: boolean }): ReactNode {
  const { register, formState, control, setValue } = useFormContext<HostFormFields>();
  const { errors } = formState;
  const names = beside ? BESIDE : OWN;
  const auth = useWatch({ control, name: names.auth });
  return (
    <>
      <Field label={beside ? "User of SSH" : "User"} error={errors[names.user]?.message} hint={userHint}>
        <Input spellCheck={false} autoCapitalize="none" autoComplete="off" {...register(names.user)} />
      </Field>
      <RadioGroup
        inline
        label={beside ? "How does it sign in by SSH?" : "How does it sign in?"}
        value={auth}
        onChange={(next) => setValue(names.auth, next)}
        options={[
          { value: "key", label: "Private key" },
          { value: "password", label: "Password" },
        ]}
      />
      {auth === "password" ? (
        <PasswordField
          stored={stored}
          name={names.password}
          {...(beside
            ? { required: false, label: "Password of SSH", hint: "Empty: the password of the account above." }
            : {})}
        />
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
