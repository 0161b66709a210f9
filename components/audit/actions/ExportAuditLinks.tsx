"use client";
import { Download } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "#components/ui/Button.tsx";
import { auditExportUrl, type AuditFilter } from "#lib/http/queries/audit.ts";

/** Downloads what the filter lets through, streamed by the server. */
export function ExportAuditLinks({ filter }: { filter: AuditFilter }): ReactNode {
  return (
    <>
      {(["csv", "json"] as const).map((format) => (
        <Button key={format} asChild>
          <a href={auditExportUrl(format, filter)} download>
            <Download aria-hidden /> {format.toUpperCase()}
            <span className="sr-only"> export</span>
          </a>
        </Button>
      ))}
    </>
  );
}
