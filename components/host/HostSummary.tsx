import type { ReactNode } from "react";
import { Card } from "#components/ui/Card.tsx";
import { KeyValue } from "#components/ui/KeyValue.tsx";
import { Meter } from "#components/ui/Meter.tsx";
import { Time } from "#components/ui/Time.tsx";
import type { HostDetail } from "#lib/domain/host.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { Capabilities } from "./Capabilities.tsx";
import { connectionWords } from "./connection-words.ts";
import { HostStateMark } from "./HostStateMark.tsx";
import { VendorMark } from "./VendorMark.tsx";

export function HostSummary({ host }: { host: HostDetail }): ReactNode {
  const { facts, storage } = host;
  return (
    <div className="grid items-start gap-4 xl:grid-cols-2">
      <Card title="Host">
        <KeyValue
          facts={[
            { key: "State", value: <HostStateMark state={host.state} /> },
            { key: "Vendor", value: <VendorMark vendor={host.vendor} /> },
            { key: "Its own name", value: facts?.name },
            { key: "Product", value: facts ? `${facts.product} ${facts.version}` : null },
            {
              key: "CPUs",
              value:
                facts?.cpus === null || !facts ? null : `${facts.cpus}${facts.cpuModel ? ` × ${facts.cpuModel}` : ""}`,
            },
            { key: "Architecture", value: facts?.arch },
            {
              key: "Memory",
              value:
                facts?.memory && facts.memoryFree !== null ? (
                  <Meter
                    used={facts.memory - facts.memoryFree}
                    total={facts.memory}
                    label={`Memory of ${host.name}`}
                    text={`${formatBytes(facts.memoryFree)} free of ${formatBytes(facts.memory)}`}
                  />
                ) : (
                  formatBytes(facts?.memory)
                ),
            },
            {
              key: "Storage",
              value:
                storage.capacity !== null && storage.free !== null ? (
                  <Meter
                    used={storage.capacity - storage.free}
                    total={storage.capacity}
                    label={`Storage of ${host.name}`}
                    text={`${formatBytes(storage.free)} free of ${formatBytes(storage.capacity)}`}
                  />
                ) : null,
            },
            { key: "Virtual machines", value: `${host.counts.running} running of ${host.counts.vms}` },
            { key: "Connection", value: connectionWords(host.connection) },
            { key: "Added", value: <Time value={host.createdAt} exact /> },
          ]}
        />
      </Card>
      <Card title="What it can take">
        {host.capabilities ? (
          <Capabilities capabilities={host.capabilities} />
        ) : (
          <p className="text-ink-2">Known once the host has been reached.</p>
        )}
      </Card>
    </div>
  );
}
