"use client";

import { Trash2 } from "lucide-react";
import { useEffect, type ReactNode } from "react";
import { useQuery } from "@tanstack/react-query";
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { Finding, FindingField } from "#lib/domain/finding.ts";
import { DISK_BUS_LABEL, NIC_MODEL_LABEL, type DiskBus, type Firmware, type NicModel } from "#lib/domain/hardware.ts";
import { DISK_FORMAT_LABEL, type DiskFormatId } from "#lib/domain/disk-format.ts";
import type { HostDetail } from "#lib/domain/host.ts";
import type { TargetChoice } from "#lib/domain/request.ts";
import type { Estimate } from "#lib/domain/request.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { formatDuration } from "#lib/format/time.ts";
import { hostQueries } from "#lib/http/queries/host.ts";
import { requestQueries } from "#lib/http/queries/request.ts";
import { IconButton } from "#components/ui/IconButton.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Field } from "#components/ui/Field.tsx";
import { Input } from "#components/ui/Input.tsx";
import { Select } from "#components/ui/Select.tsx";
import { Switch } from "#components/ui/Switch.tsx";
import { SimulatedBadge } from "#components/host/SimulatedBadge.tsx";
import { VendorMark } from "#components/host/VendorMark.tsx";
import { FindingList } from "./FindingList.tsx";
import type { TargetDraft } from "./useDeployForm.ts";

const MiB = 1024 ** 2;
/** Radix selects know no empty value. */
const NO_NETWORK = "none";

interface TargetCardProps {
  readonly draft: TargetDraft;
  readonly versionId: string | null;
  readonly findings: readonly Finding[];
  readonly estimate: Estimate | null;
  readonly onDefaults: (choice: TargetChoice) => void;
  readonly onEdit: (change: Partial<TargetChoice>) => void;
  readonly onRemove: () => void;
}

/** One target: the host's real choices, and beside each what preflight says about it. */
export function TargetCard({ draft, versionId, findings, estimate, onDefaults, onEdit, onRemove }: TargetCardProps) {
  const host = useQuery(hostQueries.detail(draft.hostId));
  const defaults = useQuery({
    ...requestQueries.defaults(versionId ?? "", draft.hostId),
    enabled: versionId !== null && draft.choice === null,
  });
  const fresh = defaults.data;
  useEffect(() => {
    if (draft.choice === null && fresh !== undefined) onDefaults(fresh);
  }, [draft.choice, fresh, onDefaults]);

  const name = host.data?.name ?? "…";
  return (
    <section aria-label={`Target ${name}`} className="rounded-md border border-line bg-surface" data-target={name}>
      <header className="flex items-center gap-2 border-b border-line px-3 py-2">
        {host.data ? <VendorMark vendor={host.data.vendor} /> : null}
        <h3 className="min-w-0 flex-1 truncate text-sm font-semibold">{name}</h3>
        {host.data?.simulated ? <SimulatedBadge /> : null}
        <IconButton label={`Remove target ${name}`} onClick={onRemove}>
          <Trash2 aria-hidden className="size-4" />
        </IconButton>
      </header>
      <div className="space-y-3 p-3">
        {host.isError ? <ErrorNotice error={host.error} /> : null}
        {defaults.isError ? <ErrorNotice error={defaults.error} onRetry={() => void defaults.refetch()} /> : null}
        {versionId === null ? (
          <p className="text-sm text-ink-3">Pick an image to see what this host can take.</p>
        ) : null}
        {versionId !== null && draft.choice === null && !defaults.isError ? (
          <p className="text-sm text-ink-3">Asking the host for its choices…</p>
        ) : null}
        {draft.choice !== null && host.data ? (
          <Choices host={host.data} choice={draft.choice} findings={findings} estimate={estimate} onEdit={onEdit} />
        ) : null}
      </div>
    </section>
  );
}

interface ChoicesProps {
  readonly host: HostDetail;
  readonly choice: TargetChoice;
  readonly findings: readonly Finding[];
  readonly estimate: Estimate | null;
  readonly onEdit: (change: Partial<TargetChoice>) => void;
}

function secureBootOffered(capabilities: HostCapabilities, choice: TargetChoice): boolean {
  return capabilities.firmware.some((offered) => offered.firmware === choice.firmware && offered.secureBoot);
}

function Choices({ host, choice, findings, estimate, onEdit }: ChoicesProps) {
  const { capabilities } = host;
  const of = (...fields: FindingField[]) => findings.filter((finding) => fields.includes(finding.field));
  // Remedies come from our own rules as partial choices; the API checks the whole choice again.
  const remedy = (set: Record<string, unknown>) => onEdit(set as Partial<TargetChoice>);
  const beside = (...fields: FindingField[]): ReactNode => <FindingList findings={of(...fields)} onRemedy={remedy} />;
  if (capabilities === null) return <p className="text-sm text-ink-3">This host has not told yet what it can take.</p>;
  return (
    <>
      <FindingList findings={of("image", "host")} onRemedy={remedy} />
      <div className="grid gap-x-3 gap-y-2.5 sm:grid-cols-2">
        <div className="space-y-1 sm:col-span-2">
          <Field label="VM name">
            {(c) => (
              <Input
                {...c}
                value={choice.name}
                maxLength={80}
                onChange={(event) => onEdit({ name: event.target.value })}
              />
            )}
          </Field>
          {beside("name")}
        </div>
        <div className="space-y-1">
          <Field label="Virtual CPUs">
            {(c) => (
              <Input
                {...c}
                type="number"
                min={1}
                max={capabilities.limits.maxCpus}
                value={choice.cpus}
                onChange={(event) => onEdit({ cpus: Math.max(1, Math.trunc(event.target.valueAsNumber || 1)) })}
              />
            )}
          </Field>
          {beside("cpus")}
        </div>
        <div className="space-y-1">
          <Field label="Memory (MiB)">
            {(c) => (
              <Input
                {...c}
                type="number"
                min={1}
                step={128}
                value={Math.round(choice.memory / MiB)}
                onChange={(event) => onEdit({ memory: Math.max(1, Math.trunc(event.target.valueAsNumber || 1)) * MiB })}
              />
            )}
          </Field>
          {beside("memory")}
        </div>
        <div className="space-y-1">
          <Field label="Firmware">
            {(c) => (
              <Select
                {...c}
                value={choice.firmware}
                onChange={(value) => onEdit({ firmware: value as Firmware })}
                options={capabilities.firmware.map((f) => ({
                  value: f.firmware,
                  label: f.label,
                  disabledReason: f.available ? null : (f.reason ?? "Not available on this host."),
                }))}
              />
            )}
          </Field>
          <Switch
            checked={choice.secureBoot}
            onChange={(secureBoot) => onEdit({ secureBoot })}
            label="Secure Boot"
            disabled={!choice.secureBoot && !secureBootOffered(capabilities, choice)}
          />
          {beside("firmware", "secure-boot")}
        </div>
        <div className="space-y-1">
          <Field label="Disk bus">
            {(c) => (
              <Select
                {...c}
                value={choice.bus}
                onChange={(value) => onEdit({ bus: value as DiskBus })}
                options={capabilities.buses.map((bus) => ({ value: bus, label: DISK_BUS_LABEL[bus] }))}
              />
            )}
          </Field>
          {beside("bus")}
        </div>
        <div className="space-y-1">
          <Field label="Storage pool">
            {(c) => (
              <Select
                {...c}
                value={choice.poolRef}
                onChange={(poolRef) => onEdit({ poolRef })}
                options={host.pools.map((pool) => ({
                  value: pool.ref,
                  label: `${pool.name}, ${pool.free === null ? "free space unknown" : `${formatBytes(pool.free)} free`}`,
                  disabledReason: pool.writable ? null : (pool.whyNotWritable ?? "Takes no new disks."),
                }))}
              />
            )}
          </Field>
          {beside("pool")}
        </div>
        <div className="space-y-1">
          <Field label="Disk format">
            {(c) => (
              <Select
                {...c}
                value={choice.diskFormat}
                onChange={(value) => onEdit({ diskFormat: value as DiskFormatId })}
                options={capabilities.diskFormats.map((format) => ({
                  value: format,
                  label: DISK_FORMAT_LABEL[format],
                }))}
              />
            )}
          </Field>
          {beside("format")}
        </div>
        <div className="space-y-1">
          <Field label="Network">
            {(c) => (
              <Select
                {...c}
                value={choice.nic?.networkRef ?? NO_NETWORK}
                onChange={(value) =>
                  onEdit({
                    nic:
                      value === NO_NETWORK
                        ? null
                        : { networkRef: value, model: choice.nic?.model ?? capabilities.nics[0] ?? "e1000" },
                  })
                }
                options={[
                  { value: NO_NETWORK, label: "No network card" },
                  ...host.networks.map((network) => ({
                    value: network.ref,
                    label: `${network.name} (${network.type}${network.active ? "" : ", inactive"})`,
                  })),
                ]}
              />
            )}
          </Field>
          {beside("network")}
        </div>
        <div className="space-y-1">
          <Field label="Network card">
            {(c) => (
              <Select
                {...c}
                value={choice.nic?.model ?? capabilities.nics[0] ?? "e1000"}
                disabled={choice.nic === null}
                onChange={(value) =>
                  choice.nic !== null && onEdit({ nic: { ...choice.nic, model: value as NicModel } })
                }
                options={capabilities.nics.map((model) => ({ value: model, label: NIC_MODEL_LABEL[model] }))}
              />
            )}
          </Field>
          {beside("nic")}
        </div>
        {capabilities.placements.map((placement) => (
          <div key={placement.id} className="space-y-1">
            <Field label={placement.label}>
              {(c) => (
                <Select
                  {...c}
                  value={choice.placement[placement.id] ?? placement.defaultRef}
                  onChange={(ref) => onEdit({ placement: { ...choice.placement, [placement.id]: ref } })}
                  options={placement.options.map(({ ref, label }) => ({ value: ref, label }))}
                />
              )}
            </Field>
          </div>
        ))}
        {capabilities.placements.length === 0 ? null : <div className="sm:col-span-2">{beside("placement")}</div>}
      </div>
      <div className="flex flex-wrap items-center justify-between gap-2 border-t border-line pt-2.5">
        <Switch checked={choice.start} onChange={(start) => onEdit({ start })} label="Start the VM when it is made" />
        {estimate === null ? null : (
          <span className="text-xs tabular-nums text-ink-3" title={estimate.basis}>
            {formatBytes(estimate.bytesToMove)} to move, about {formatDuration(estimate.seconds)} ±{" "}
            {formatDuration(estimate.error)}
          </span>
        )}
      </div>
      {beside("start")}
    </>
  );
}
