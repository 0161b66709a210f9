import Link from "next/link";
import type { ReactNode } from "react";
import { VendorMark } from "#components/host/VendorMark.tsx";
import { SimulatedBadge } from "#components/host/SimulatedBadge.tsx";
import { KeyValue } from "#components/ui/KeyValue.tsx";
import { Time } from "#components/ui/Time.tsx";
import type { VmRow } from "#lib/domain/host.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { locationOf } from "./location.ts";
import { VmStateMark } from "./VmStateMark.tsx";

export function VmFacts({ vm }: { vm: VmRow }): ReactNode {
  return (
    <KeyValue
      facts={[
        { key: "State", value: <VmStateMark state={vm.state} /> },
        {
          key: "Host",
          value: (
            <span className="flex flex-wrap items-center gap-2">
              <Link href={`/hosts/${vm.hostId}`} className="text-accent-ink hover:underline">
                {vm.hostName}
              </Link>
              {vm.simulated ? <SimulatedBadge /> : null}
            </span>
          ),
        },
        vm.location ? { key: "Location", value: locationOf(vm) } : null,
        { key: "Vendor", value: <VendorMark vendor={vm.vendor} /> },
        { key: "CPUs", value: vm.cpus },
        { key: "Memory", value: vm.memory === null ? null : formatBytes(vm.memory) },
        {
          key: "Firmware",
          value: vm.firmware ? `${vm.firmware.toUpperCase()}${vm.secureBoot ? ", Secure Boot" : ""}` : null,
        },
        vm.tpm === undefined || vm.tpm === null ? null : { key: "TPM", value: vm.tpm ? "yes" : "none" },
        { key: "Machine", value: vm.machine },
        { key: "Guest", value: vm.guestOs },
        vm.tools ? { key: "Guest tools", value: vm.tools } : null,
        { key: "Addresses", value: vm.nics.flatMap((nic) => nic.addresses).join(", ") },
        { key: "Running since", value: vm.startedAt ? <Time value={vm.startedAt} exact /> : null },
        { key: "Identifier", value: <code className="text-xs break-all">{vm.ref}</code> },
        vm.tag ? { key: "Made by", value: "Supravisor" } : null,
        vm.description
          ? { key: "Description", value: <span className="whitespace-pre-wrap">{vm.description}</span> }
          : null,
      ]}
    />
  );
}
