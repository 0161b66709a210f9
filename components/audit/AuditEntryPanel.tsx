import { X } from "lucide-react";
import Link from "next/link";
import type { ReactNode } from "react";
import { IconButton } from "#components/ui/IconButton.tsx";
import { KeyValue } from "#components/ui/KeyValue.tsx";
import { actionWords } from "#lib/domain/audit-actions.ts";
import type { AuditEntry } from "#lib/domain/audit.ts";
import { ROLE_LABEL, ROLES } from "#lib/domain/role.ts";
import { formatMoment } from "#lib/format/time.ts";
import { subjectPath, subjectWords } from "./action-words.ts";
import { AuditResultMark } from "./AuditResultMark.tsx";

export function AuditEntryPanel({ entry, onClose }: { entry: AuditEntry; onClose: () => void }): ReactNode {
  const path = subjectPath(entry.subject);
  const role = ROLES.find((each) => each === entry.actor.role);
  return (
    <aside
      aria-label={`Entry ${entry.seq}`}
      className="absolute inset-0 z-20 flex flex-col border-l bg-surface sm:left-auto sm:w-96 xl:static xl:shrink-0"
    >
      <header className="flex items-center gap-2 border-b px-4 py-2">
        <h2 className="grow text-base font-semibold">{actionWords(entry.action, entry.result)}</h2>
        <IconButton label="Close the details" size="sm" onClick={onClose}>
          <X aria-hidden />
        </IconButton>
      </header>
      <div className="min-h-0 grow space-y-4 overflow-y-auto p-4" tabIndex={0} role="group" aria-label="Facts">
        <KeyValue
          facts={[
            { key: "No.", value: entry.seq },
            { key: "When", value: `${formatMoment(entry.at)} (${entry.at})` },
            { key: "Who", value: `${entry.actor.name}${role ? `, ${ROLE_LABEL[role]}` : ""}` },
            { key: "From", value: entry.address },
            { key: "Action", value: <code className="text-xs">{entry.action}</code> },
            {
              key: "Subject",
              value: path ? (
                <Link href={path} className="text-accent-ink underline">
                  {subjectWords(entry.subject)}
                </Link>
              ) : (
                subjectWords(entry.subject)
              ),
            },
            { key: "Result", value: <AuditResultMark result={entry.result} /> },
            { key: "Hash", value: <code className="text-xs break-all">{entry.hash}</code> },
            { key: "Key", value: entry.keyId === null ? "none" : <code className="text-xs">{entry.keyId}</code> },
          ]}
        />
        {Object.keys(entry.details).length > 0 ? (
          <section>
            <h3 className="mb-1 font-semibold">Details</h3>
            <pre className="overflow-x-auto rounded-md border bg-sunken p-2 text-xs whitespace-pre-wrap wrap-anywhere">
              {JSON.stringify(entry.details, null, 2)}
            </pre>
          </section>
        ) : null}
      </div>
    </aside>
  );
}
