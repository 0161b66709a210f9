import type { Receipt } from "#lib/domain/request.ts";

/** The verdict of a receipt in one sentence. */
export function receiptVerdict(receipt: Receipt): string {
  if (receipt.equal === true) return "The disk on the host is bit for bit the image's.";
  if (receipt.equal === false) return "The disk on the host differs from the image.";
  return receipt.note ?? "The host cannot give the bytes back, so they were not compared.";
}
