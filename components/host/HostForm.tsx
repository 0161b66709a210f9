"use client";
import { zodResolver } from "@hookform/resolvers/zod";
import { useMutation } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { FormProvider, useForm, useWatch } from "react-hook-form";
import { useMayReason } from "#components/session/session-context.ts";
import { Button } from "#components/ui/Button.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { HostTest, NewHost } from "#lib/domain/host.ts";
import { api } from "#lib/http/client.ts";
import { ConnectionFields } from "./ConnectionFields.tsx";
import { DriverChoice } from "./DriverChoice.tsx";
import { formOf } from "./forms/registry.ts";
import { HostFormValues, needsIdentity, toNewHost } from "./host-form.ts";
import { IdentityDialog } from "./IdentityDialog.tsx";
import { TestResult } from "./TestResult.tsx";

export interface HostFormProps {
  initial: HostFormValues;
  /** Names of stored secrets, when a stored host is edited. */
  stored: readonly string[];
  /** A new host may be of any kind; a stored one stays what it is. */
  isNew?: boolean;
  /** A host without a name yet gets the one typed; the verb on the button. */
  submit: string;
  submitting: string;
  onSave: (host: NewHost, values: HostFormValues) => Promise<unknown>;
  onCancel: () => void;
}

type Wish = "test" | "save";

/**
 * Adds or edits a host. Whatever is asked for, test or save, an identity that nobody confirmed is shown first
 * and pinned when confirmed; then the wish is carried out.
 */
export function HostForm({
  initial,
  stored,
  isNew = false,
  submit,
  submitting,
  onSave,
  onCancel,
}: HostFormProps): ReactNode {
  const form = useForm({ resolver: zodResolver(HostFormValues), defaultValues: initial });
  const [result, setResult] = useState<HostTest | null>(null);
  const [asking, setAsking] = useState<{ identity: NonNullable<HostTest["identity"]>; wish: Wish } | null>(null);
  const testReason = useMayReason("host.test");

  const run = useMutation({
    mutationFn: async ({ values, wish }: { values: HostFormValues; wish: Wish }) => {
      setResult(null);
      const wanted = NewHost.parse(toNewHost(values));
      if (wish === "save" && !needsIdentity(values)) return onSave(wanted, values);
      const test = await api.post("/hosts/test", HostTest, wanted);
      if (test.identity && !test.identity.pinned) setAsking({ identity: test.identity, wish });
      else setResult(test);
      return null;
    },
  });
  const start = (wish: Wish) => () => void form.handleSubmit((values) => run.mutate({ values, wish }))();
  const wish = run.variables?.wish;
  const values = useWatch({ control: form.control, compute: (all: HostFormValues) => all });
  const { host, pin, sftpPin } = values;
  const beside = asking?.identity.kind === "ssh-host-key" ? formOf(values.driver).besideBySsh : undefined;
  const pinField = beside?.pin ?? "pin";

  return (
    <FormProvider {...form}>
      <form
        noValidate
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          start("save")();
        }}
      >
        <Field label="Name" error={form.formState.errors.name?.message} hint="What people here call it.">
          <Input autoComplete="off" {...form.register("name")} />
        </Field>
        {isNew ? <DriverChoice /> : null}
        <ConnectionFields stored={stored} />
        {[pin, sftpPin].filter(Boolean).map((confirmed) => (
          <p key={confirmed} className="text-xs text-ink-2">
            Confirmed identity: <code className="break-all">{confirmed}</code>
          </p>
        ))}
        {result ? <TestResult result={result} /> : null}
        {run.error ? <ErrorNotice error={run.error} /> : null}
        <div className="flex flex-wrap gap-2 border-t pt-4">
          <Button type="submit" variant="primary" busy={run.isPending}>
            {run.isPending && wish === "save" ? submitting : submit}
          </Button>
          <Button busy={run.isPending} reason={testReason} onClick={start("test")}>
            {run.isPending && wish === "test" ? "Testing the connection…" : "Test connection"}
          </Button>
          <Button variant="ghost" onClick={onCancel}>
            Cancel
          </Button>
        </div>
      </form>
      <IdentityDialog
        identity={asking?.identity ?? null}
        address={host}
        port={values[beside?.port ?? "port"]}
        hostKeyCommand={beside?.command}
        changed={values[pinField] !== ""}
        onCancel={() => setAsking(null)}
        onConfirm={(fingerprint) => {
          const then = asking?.wish ?? "test";
          setAsking(null);
          form.setValue(pinField, fingerprint, { shouldValidate: true });
          start(then)();
        }}
      />
    </FormProvider>
  );
}
