import type { ReactNode } from "react";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { StateMark } from "#components/ui/StateMark.tsx";
import { Table, Td, Th, Tr } from "#components/ui/Table.tsx";
import { NIC_MODEL_LABEL } from "#lib/domain/hardware.ts";
import type { VmRow } from "#lib/domain/host.ts";

export function VmNics({ vm }: { vm: VmRow }): ReactNode {
  if (vm.nics.length === 0) return <EmptyState title="This virtual machine has no network cards" />;
  return (
    <Table label={`Network cards of ${vm.name}`} className="rounded-lg border bg-surface">
      <thead>
        <tr>
          <Th>Network</Th>
          <Th>Model</Th>
          <Th>MAC address</Th>
          <Th>Link</Th>
          <Th>Addresses</Th>
        </tr>
      </thead>
      <tbody>
        {vm.nics.map((nic) => (
          <Tr key={nic.id}>
            <Td>{nic.networkName ?? nic.networkRef ?? "–"}</Td>
            <Td>{nic.model ? NIC_MODEL_LABEL[nic.model] : (nic.modelRaw ?? "–")}</Td>
            <Td>
              <code className="text-xs">{nic.mac ?? "–"}</code>
            </Td>
            <Td>
              <StateMark state={nic.connected ? "on" : "off"}>
                {nic.connected ? "Connected" : "Not connected"}
              </StateMark>
            </Td>
            <Td>{nic.addresses.join(", ") || "–"}</Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}
