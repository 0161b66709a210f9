import Link from "next/link";
import { ShieldCheck, ShieldQuestion, ShieldX } from "lucide-react";
import type { RequestTarget } from "#lib/domain/request-view.ts";
import { DISK_FORMAT_LABEL } from "#lib/domain/disk-format.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { formatDuration, formatMoment } from "#lib/format/time.ts";
import { CopyButton } from "#components/ui/CopyButton.tsx";
import { receiptMoment, receiptVerdict } from "./receipt-text.ts";

/** The proof at the end of a deploy: both fingerprints, equal or not, and the way to the VM. */
export function ReceiptCard({ target }: { readonly target: RequestTarget }) {
  const { receipt } = target;
  if (receipt === null) return null;
  const Icon = receipt.equal === true ? ShieldCheck : receipt.equal === false ? ShieldX : ShieldQuestion;
  const tone = receipt.equal === true ? "text-ok" : receipt.equal === false ? "text-bad" : "text-warn";
  return (
    <section
      aria-label={`Receipt of ${target.choice.name}`}
      className="space-y-2 rounded-md border border-line bg-sunken p-3"
      data-receipt={String(receipt.equal)}
    >
      <p className={`flex items-center gap-2 text-sm font-medium ${tone}`}>
        <Icon aria-hidden className="size-4 shrink-0" /> {receiptVerdict(receipt)}
      </p>
      <dl className="grid grid-cols-[auto_1fr] gap-x-3 gap-y-1 text-xs">
        {receipt.source === undefined ? null : (
          <>
            <dt className="text-ink-3">From</dt>
            <dd className="min-w-0 break-words">
              {receipt.source.vmName} on {receipt.source.hostName}, {receiptMoment(receipt.source)}:{" "}
              {formatMoment(receipt.source.at)}
            </dd>
          </>
        )}
        <dt className="text-ink-3">{receipt.source === undefined ? "Image" : "Read"}</dt>
        <dd className="flex min-w-0 items-center gap-1">
          <code className="truncate font-mono">{receipt.imageFingerprint}</code>
          <CopyButton
            text={receipt.imageFingerprint}
            label={`Copy the fingerprint of ${receipt.source === undefined ? "the image" : "what was read"}`}
          />
        </dd>
        <dt className="text-ink-3">Target</dt>
        <dd className="flex min-w-0 items-center gap-1">
          <code className="truncate font-mono">{receipt.targetFingerprint ?? "not read back"}</code>
        </dd>
        <dt className="text-ink-3">Disk</dt>
        <dd className="min-w-0 break-all">
          {DISK_FORMAT_LABEL[receipt.format]}, {formatBytes(receipt.virtualSize)}: {receipt.diskRef}
        </dd>
        <dt className="text-ink-3">Moved</dt>
        <dd className="tabular-nums">
          {formatBytes(receipt.bytesMoved)} in {formatDuration(receipt.seconds)}
        </dd>
      </dl>
      {receipt.note !== null && receipt.equal !== null ? <p className="text-xs text-ink-3">{receipt.note}</p> : null}
      <Link
        className="inline-block text-sm font-medium text-accent-ink underline-offset-2 hover:underline"
        href={`/vms/${target.hostId}/${encodeURIComponent(receipt.vmRef)}`}
      >
        Open {receipt.vmName}
      </Link>
    </section>
  );
}
