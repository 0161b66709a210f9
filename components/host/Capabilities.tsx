import type { ReactNode } from "react";
import { Badge } from "#components/ui/Badge.tsx";
import { KeyValue } from "#components/ui/KeyValue.tsx";
import { StateMark } from "#components/ui/StateMark.tsx";
import { CONTAINER_LABEL } from "#lib/domain/container.ts";
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import { DISK_FORMAT_LABEL } from "#lib/domain/disk-format.ts";
import { DISK_BUS_LABEL, NIC_MODEL_LABEL } from "#lib/domain/hardware.ts";
import { formatBytes } from "#lib/format/bytes.ts";

function Marks({ words }: { words: readonly string[] }): ReactNode {
  return (
    <span className="flex flex-wrap gap-1">
      {words.map((word) => (
        <Badge key={word}>{word}</Badge>
      ))}
    </span>
  );
}

function YesNo({ yes, why }: { yes: boolean; why?: string | null }): ReactNode {
  return (
    <StateMark state={yes ? "done" : "off"} className="whitespace-normal">
      {yes ? "Yes" : why ? `No: ${why}` : "No"}
    </StateMark>
  );
}

export function Capabilities({ capabilities: can }: { capabilities: HostCapabilities }): ReactNode {
  const sizes = can.diskFormats.flatMap((format) => {
    const limit = can.limits.maxDiskSize[format];
    return limit === undefined ? [] : [`${DISK_FORMAT_LABEL[format]} ${formatBytes(limit)}`];
  });
  return (
    <KeyValue
      facts={[
        { key: "Disk formats", value: <Marks words={can.diskFormats.map((format) => DISK_FORMAT_LABEL[format])} /> },
        { key: "Disk buses", value: <Marks words={can.buses.map((bus) => DISK_BUS_LABEL[bus])} /> },
        { key: "Network cards", value: <Marks words={can.nics.map((nic) => NIC_MODEL_LABEL[nic])} /> },
        {
          key: "Firmware",
          value: (
            <ul>
              {can.firmware.map((choice) => (
                <li key={choice.firmware}>
                  <StateMark state={choice.available ? "done" : "off"} className="whitespace-normal">
                    {choice.label}
                    {choice.available || !choice.reason ? "" : `: ${choice.reason}`}
                  </StateMark>
                </li>
              ))}
            </ul>
          ),
        },
        { key: "Acceleration", value: can.acceleration },
        { key: "Starts VMs", value: <YesNo yes={can.canStartVms} why={can.whyNotStart} /> },
        { key: "Reads back", value: <YesNo yes={can.canReadBack} /> },
        ...(can.packages.length === 0
          ? []
          : [{ key: "Exports VMs", value: <Marks words={can.packages.map((kind) => CONTAINER_LABEL[kind])} /> }]),
        { key: "Keeps holes", value: <YesNo yes={can.sparseTransfer} /> },
        { key: "CPUs a VM", value: `up to ${can.limits.maxCpus}` },
        { key: "Memory a VM", value: `${formatBytes(can.limits.minMemory)} to ${formatBytes(can.limits.maxMemory)}` },
        { key: "Disks a VM", value: `up to ${can.limits.maxDisks}` },
        { key: "Size of a disk", value: sizes.length === 0 ? null : `up to ${sizes.join(", ")}` },
        { key: "Name of a VM", value: `up to ${can.limits.nameMaxLength} characters` },
      ]}
    />
  );
}
