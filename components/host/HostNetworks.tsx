import { Network } from "lucide-react";
import type { ReactNode } from "react";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { StateMark } from "#components/ui/StateMark.tsx";
import { Table, Td, Th, Tr } from "#components/ui/Table.tsx";
import type { HostDetail } from "#lib/domain/host.ts";

export function HostNetworks({ host }: { host: HostDetail }): ReactNode {
  if (host.networks.length === 0) {
    return (
      <EmptyState icon={<Network />} title="No networks">
        Virtual machines can be deployed here without a network card.
      </EmptyState>
    );
  }
  return (
    <Table label={`Networks of ${host.name}`} className="rounded-lg border bg-surface">
      <thead>
        <tr>
          <Th>Network</Th>
          <Th>Type</Th>
          <Th>State</Th>
          <Th>Bridge</Th>
        </tr>
      </thead>
      <tbody>
        {host.networks.map((network) => (
          <Tr key={network.ref}>
            <Td className="font-medium">{network.name}</Td>
            <Td>{network.type}</Td>
            <Td>
              <StateMark state={network.active ? "on" : "off"}>{network.active ? "Active" : "Inactive"}</StateMark>
            </Td>
            <Td>{network.bridge ?? "–"}</Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}
