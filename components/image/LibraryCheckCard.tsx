"use client";

import Link from "next/link";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { LibraryCheck, type LibraryFinding } from "#lib/domain/library-check.ts";
import { api } from "#lib/http/client.ts";
import { imageQueries } from "#lib/http/queries/image.ts";
import { libraryQueries } from "#lib/http/queries/library.ts";
import { useMayReason } from "#components/session/session-context.ts";
import { Button } from "#components/ui/Button.tsx";
import { Card } from "#components/ui/Card.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { StateMark } from "#components/ui/StateMark.tsx";
import { Table, Td, Th, Tr } from "#components/ui/Table.tsx";
import { Time } from "#components/ui/Time.tsx";

/** More would be a list to export, which the command line does. */
const MOST_SHOWN = 100;

/** Whether the library's files and the database agree, and where they do not. */
export function LibraryCheckCard() {
  const client = useQueryClient();
  const reason = useMayReason("library.check");
  const check = useQuery(libraryQueries.check());
  const run = useMutation({
    mutationFn: () => api.post("/library/check", LibraryCheck, {}),
    onSuccess: async (found) => {
      client.setQueryData(libraryQueries.check().queryKey, found);
      await client.invalidateQueries({ queryKey: imageQueries.all });
    },
  });
  return (
    <section id="library-check">
      <Card
        title="Library check"
        actions={
          <Button
            size="sm"
            disabled={reason !== null || run.isPending}
            title={reason ?? undefined}
            onClick={() => run.mutate()}
          >
            {run.isPending ? "Checking…" : "Check now"}
          </Button>
        }
      >
        {run.error ? <ErrorNotice error={run.error} title="The library could not be checked" /> : null}
        {check.error ? <ErrorNotice error={check.error} onRetry={() => void check.refetch()} /> : null}
        {check.data ? <Outcome check={check.data} /> : null}
      </Card>
    </section>
  );
}

function Outcome({ check }: { readonly check: LibraryCheck }) {
  const { checkedAt, findings, versions, files } = check;
  if (checkedAt === null) return <p className="text-ink-2">The files have not been compared with the database yet.</p>;
  return (
    <div className="space-y-3">
      <p className="text-ink-2">
        {findings.length === 0 ? (
          <StateMark state="done">
            {files} files of {versions} versions are as the database knows them
          </StateMark>
        ) : (
          <StateMark state="bad">
            {findings.length} {findings.length === 1 ? "finding" : "findings"}
          </StateMark>
        )}{" "}
        Checked <Time value={checkedAt} />, and once a day. Nothing is removed by it.
      </p>
      {findings.length > 0 ? <Findings findings={findings.slice(0, MOST_SHOWN)} /> : null}
      {findings.length > MOST_SHOWN ? (
        <p className="text-ink-2">
          {findings.length - MOST_SHOWN} more: <code>supravisor library check --json</code> lists all.
        </p>
      ) : null}
    </div>
  );
}

function Findings({ findings }: { readonly findings: readonly LibraryFinding[] }) {
  return (
    <Table label="Library findings">
      <thead>
        <tr>
          <Th>Found</Th>
          <Th>Image</Th>
          <Th>Where</Th>
          <Th>Since</Th>
        </tr>
      </thead>
      <tbody>
        {findings.map((finding) => (
          <Tr key={`${finding.fault} ${finding.place}`}>
            <Td>{finding.message}</Td>
            <Td>
              {finding.version === null ? (
                "–"
              ) : (
                <Link
                  className="text-accent-ink underline-offset-2 hover:underline"
                  href={`/images/${finding.version.imageId}?version=${finding.version.id}`}
                >
                  {finding.version.imageName}, version {finding.version.number}
                </Link>
              )}
            </Td>
            <Td>
              <code className="text-xs break-all">{finding.place}</code>
            </Td>
            <Td>
              <Time value={finding.firstSeenAt} />
            </Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}
