"use client";
import type { ReactNode } from "react";
import { useFormContext } from "react-hook-form";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import type { HostFormFields } from "./form.ts";

/** Another address is another host: what was confirmed for the old one does not hold. */
export function AddressFields({ defaultPort }: { defaultPort: string }): ReactNode {
  const { register, formState, setValue } = useFormContext<HostFormFields>();
  const forget = (): void => setValue("pin", "");
  const forgetAll = (): void => {
    forget();
    setValue("sftpPin", "");
  };
  return (
    <div className="grid grid-cols-[minmax(0,1fr)_6rem] gap-3">
      <Field label="Host name or address" error={formState.errors.host?.message}>
        <Input spellCheck={false} autoCapitalize="none" {...register("host", { onChange: forgetAll })} />
      </Field>
      <Field label="Port" error={formState.errors.port?.message}>
        <Input inputMode="numeric" placeholder={defaultPort} {...register("port", { onChange: forget })} />
      </Field>
    </div>
  );
}
