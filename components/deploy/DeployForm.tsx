"use client";

import { useCallback, useMemo } from "react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useQueryStates, parseAsString } from "nuqs";
import { type PreflightAnswer, ProvisionRequest } from "#lib/domain/request-view.ts";
import { may } from "#lib/domain/role.ts";
import { api } from "#lib/http/client.ts";
import { requestQueries } from "#lib/http/queries/request.ts";
import { sessionQueries } from "#lib/http/queries/session.ts";
import { settingsQueries } from "#lib/http/queries/settings.ts";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { AddTarget } from "./AddTarget.tsx";
import { DeploySummary } from "./DeploySummary.tsx";
import { ImagePanel } from "./ImagePanel.tsx";
import { TargetCard } from "./TargetCard.tsx";
import { useDebounced } from "./useDebounced.ts";
import { useDeployForm } from "./useDeployForm.ts";

const waitsForHosts = ({ targets }: PreflightAnswer): boolean =>
  targets.some(({ findings }) =>
    findings.some(({ rule, severity }) => severity === "blocker" && /^source\.|^host\.offline$/.test(rule)),
  );

/** Image at the left, targets in the middle, summary at the right. Submitting turns the page into its lanes. */
export function DeployForm({ onSubmitted }: { readonly onSubmitted: (requestId: string) => void }) {
  const client = useQueryClient();
  const [picked, setPicked] = useQueryStates({ image: parseAsString, version: parseAsString });
  const form = useDeployForm(picked.version);
  const { draft } = form;
  const session = useQuery(sessionQueries.current());
  const settings = useQuery(settingsQueries.current());
  const choices = useMemo(
    () => draft.targets.flatMap((target) => (target.choice === null ? [] : [target.choice])),
    [draft.targets],
  );
  const settled = useDebounced(choices, 250);
  const preflight = useQuery({
    ...requestQueries.preflight(draft.versionId ?? "", settled),
    enabled: draft.versionId !== null && settled.length > 0 && settled.every((choice) => choice.name.trim() !== ""),
    // What stands in the way lies outside of this page: somebody shuts the VM down, a host comes back.
    refetchInterval: ({ state }) => (state.data !== undefined && waitsForHosts(state.data) ? 3000 : false),
  });
  const complete = choices.length === draft.targets.length;
  const current = settled === choices && !preflight.isPlaceholderData && !preflight.isFetching;
  const answer = preflight.data ?? null;

  const submit = useMutation({
    mutationFn: () =>
      api.post("/requests", ProvisionRequest, {
        imageVersionId: draft.versionId,
        targets: choices,
        note: draft.note,
        idempotencyKey: draft.idempotencyKey,
      }),
    onSuccess: async (request) => {
      await client.invalidateQueries({ queryKey: requestQueries.all });
      onSubmitted(request.id);
    },
  });

  const { pickImage } = form;
  const onPick = useCallback(
    (imageId: string, versionId: string) => {
      pickImage(versionId);
      void setPicked({ image: imageId, version: versionId });
    },
    [pickImage, setPicked],
  );
  const role = session.data?.user.role;
  const refusal =
    role !== undefined && !may(role, "request.create")
      ? "Your role may not request VMs."
      : complete
        ? null
        : "Some choices are still missing.";

  return (
    <div className="grid gap-4 lg:grid-cols-[18rem_minmax(0,1fr)] xl:grid-cols-[20rem_minmax(0,1fr)_20rem]">
      <div className="rounded-md border border-line bg-surface p-3 lg:sticky lg:top-4 lg:self-start">
        <h2 className="mb-2 text-sm font-semibold">Image</h2>
        <ImagePanel imageId={picked.image} versionId={draft.versionId} onPick={onPick} />
      </div>
      <div className="min-w-0 space-y-3">
        {draft.targets.length === 0 ? (
          <EmptyState title="No target yet">
            Add the hosts that should run this image; each becomes a card with that host&apos;s own choices.
          </EmptyState>
        ) : null}
        {draft.targets.map((target) => {
          const index = target.choice === null ? -1 : choices.indexOf(target.choice);
          const mine = index >= 0 ? answer?.targets[index] : undefined;
          return (
            <TargetCard
              key={target.key}
              draft={target}
              versionId={draft.versionId}
              findings={mine?.findings ?? []}
              estimate={mine?.estimate ?? null}
              onDefaults={(choice) => form.setDefaults(target.key, choice)}
              onEdit={(change) => form.editTarget(target.key, change)}
              onRemove={() => form.removeTarget(target.key)}
            />
          );
        })}
        <AddTarget onAdd={form.addTarget} />
      </div>
      <div className="lg:col-start-2 xl:col-start-3 xl:sticky xl:top-4 xl:self-start">
        <DeploySummary
          targets={draft.targets.length}
          answer={choices.length === 0 ? null : answer}
          stale={!current}
          preflightError={preflight.error}
          approvalWaived={settings.data?.waiveApproval ?? false}
          note={draft.note}
          onNote={form.setNote}
          submitting={submit.isPending}
          submitError={submit.error}
          refusal={refusal}
          onSubmit={() => submit.mutate()}
        />
      </div>
    </div>
  );
}
