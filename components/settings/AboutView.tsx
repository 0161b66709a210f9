"use client";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { FORM_DRIVERS, formOf } from "#components/host/forms/registry.ts";
import { VerifiedMark } from "#components/host/VerifiedMark.tsx";
import { Card } from "#components/ui/Card.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { KeyValue } from "#components/ui/KeyValue.tsx";
import { Skeleton } from "#components/ui/Skeleton.tsx";
import { StateMark } from "#components/ui/StateMark.tsx";
import { Time } from "#components/ui/Time.tsx";
import { apiUrl } from "#lib/http/client.ts";
import { settingsQueries } from "#lib/http/queries/settings.ts";

const DRIVER: Record<string, string> = { pglite: "Embedded (PGlite)", pg: "PostgreSQL", postgres: "PostgreSQL" };

export function AboutView(): ReactNode {
  // Heartbeats are not events: what is shown is as of the visit.
  const health = useQuery({ ...settingsQueries.health(), staleTime: 0 });
  if (health.error) return <ErrorNotice error={health.error} onRetry={() => void health.refetch()} />;
  if (!health.data) return <Skeleton words="Asking the server how it is…" />;
  const { version, database, workers, notes } = health.data;
  return (
    <div className="max-w-3xl space-y-4">
      <Card title="Supravisor">
        <KeyValue
          facts={[
            { key: "Version", value: version },
            {
              key: "Database",
              value: (
                <StateMark state={database.ok ? "on" : "bad"}>
                  {DRIVER[database.driver] ?? database.driver}, {database.ok ? "answers" : "does not answer"}
                </StateMark>
              ),
            },
            {
              key: "HTTP API",
              value: (
                <a href={apiUrl("/docs")} className="text-accent-ink underline">
                  Reference
                </a>
              ),
            },
            { key: "Licence", value: "Apache-2.0" },
          ]}
        />
      </Card>
      {notes.length === 0 ? null : (
        <Card title="Needs attention" flush>
          <ul>
            {notes.map((note) => (
              <li key={note} className="border-b px-4 py-2 last:border-b-0">
                <StateMark state="bad">{note}</StateMark>
              </li>
            ))}
          </ul>
        </Card>
      )}
      <Card title="What the adapters are verified on" flush>
        <ul>
          {FORM_DRIVERS.map((driver) => (
            <li key={driver} className="space-y-1 border-b px-4 py-2 last:border-b-0">
              <div>{formOf(driver).label}</div>
              <VerifiedMark driver={driver} />
            </li>
          ))}
        </ul>
      </Card>
      <Card title="Workers" flush>
        {workers.length === 0 ? (
          <p className="p-4 text-ink-2">No worker has reported yet: jobs wait until one does.</p>
        ) : null}
        <ul>
          {workers.map((worker) => (
            <li
              key={worker.name}
              className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b px-4 py-2 last:border-b-0"
            >
              <span className="grow">{worker.name}</span>
              <StateMark state={worker.alive ? "on" : "bad"}>{worker.alive ? "Alive" : "Not heard from"}</StateMark>
              <span className="text-ink-2">version {worker.version}</span>
              <span className="text-ink-3">
                heard <Time value={worker.heartbeatAt} />
              </span>
              {worker.note === null ? null : <span className="w-full text-ink-2">{worker.note}</span>}
            </li>
          ))}
        </ul>
      </Card>
    </div>
  );
}
