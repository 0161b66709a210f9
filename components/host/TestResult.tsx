import { CircleCheck } from "lucide-react";
import type { ReactNode } from "react";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import type { HostTest } from "#lib/domain/host.ts";
import { formatBytes } from "#lib/format/bytes.ts";

export function TestResult({ result }: { result: HostTest }): ReactNode {
  if (!result.ok) {
    return result.error ? <ErrorNotice error={result.error} title="The connection did not succeed" /> : null;
  }
  const { facts } = result;
  return (
    <div role="status" className="flex items-start gap-2.5 rounded-md border border-ok/50 bg-ok-weak px-3 py-2">
      <CircleCheck aria-hidden className="mt-0.5 size-4 shrink-0 text-ok" />
      <div>
        <div className="font-medium">The connection works.</div>
        {facts ? (
          <div className="text-ink-2">
            {facts.name}: {facts.product} {facts.version}
            {facts.cpus === null ? "" : `, ${facts.cpus} CPUs`}
            {facts.memory === null ? "" : `, ${formatBytes(facts.memory)} memory`}
          </div>
        ) : null}
      </div>
    </div>
  );
}
