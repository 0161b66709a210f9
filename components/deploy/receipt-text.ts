import type { Receipt } from "#lib/domain/request.ts";

/** The moment that the disks of a VM are of, in words before its time. */
export function receiptMoment({ moment }: NonNullable<Receipt["source"]>): string {
  return moment === "snapshot" ? "a snapshot while it ran" : "while it was not running";
}

/** The verdict of a receipt in one sentence. */
export function receiptVerdict(receipt: Receipt): string {
  if (receipt.equal === true && receipt.source !== undefined)
    return `The disk on the host is bit for bit what was read of ${receipt.source.vmName} on ${receipt.source.hostName}.`;
  if (receipt.equal === true) return "The disk on the host is bit for bit the image's.";
  if (receipt.equal === false) return "The disk on the host differs from the image.";
  return receipt.note ?? "The host cannot give the bytes back, so they were not compared.";
}
