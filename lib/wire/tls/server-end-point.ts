import { createHash } from "node:crypto";

/** What a sign-in is bound to so that it is of no use on another connection. Source: RFC 5929, tls-server-end-point. */
export function tlsServerEndPoint(certificate: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from("tls-server-end-point:", "latin1"),
    createHash("sha256").update(certificate).digest(),
  ]);
}
