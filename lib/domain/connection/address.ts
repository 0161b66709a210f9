/** Parts that connections of several drivers have. */
import { z } from "zod";

export const Port = z.number().int().min(1).max(65535);
/** `SHA256:base64` as OpenSSH prints it. */
export const SshFingerprint = z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}$/);
/** SHA-256 of the certificate, 64 hex digits, lower case, no colons. */
export const CertFingerprint = z.string().regex(/^[0-9a-f]{64}$/);
/** A host name or address; no spaces, no control characters, never starting with a dash. */
export const Hostname = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[A-Za-z0-9\[_:][A-Za-z0-9._:\-\[\]%]*$/);
/** An account on a host that is reached by SSH. */
export const SshUser = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[A-Za-z0-9._][A-Za-z0-9._@\\-]*$/);
/** PEM text. */
export const Pem = z.string().max(65536);
