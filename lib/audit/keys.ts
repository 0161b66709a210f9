/**
 * The keys of the audit trail, both derived from the installation's secret key: one for the MAC of every entry, and an
 * Ed25519 pair for heads, which anybody can check with the public key alone.
 */
import { createHash, createHmac, createPrivateKey, createPublicKey, sign, timingSafeEqual, verify } from "node:crypto";
import type { Db } from "#lib/db/client.ts";
import { identityOf } from "#lib/db/identity.ts";
import { AppError } from "#lib/errors.ts";
import type { SecretBox } from "#lib/secrets/box.ts";

export interface AuditKeys {
  /** Names both keys: the first 32 hex digits of the SHA-256 of the public key. */
  readonly id: string;
  /** Raw Ed25519 key in base64. */
  readonly publicKey: string;
  /** Hex HMAC of an entry's hash, which covers its place and its predecessor too. */
  mac(hash: string): string;
  fits(hash: string, mac: string | null): boolean;
  /** Base64 Ed25519 signature. */
  sign(text: string): string;
}

const ENTRY_LABEL = "supravisor audit entry v1";
const HEAD_LABEL = "supravisor audit head v1";
/** What stands before the 32 bytes of an Ed25519 key in PKCS #8 and in SPKI (RFC 8410). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

export function auditKeys(secrets: Pick<SecretBox, "derive">): AuditKeys {
  const macKey = secrets.derive(ENTRY_LABEL);
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8, secrets.derive(HEAD_LABEL)]),
    format: "der",
    type: "pkcs8",
  });
  const raw = createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(SPKI.length);
  const mac = (hash: string): string => createHmac("sha256", macKey).update(`${ENTRY_LABEL}\n${hash}`).digest("hex");
  return {
    id: keyIdOf(raw),
    publicKey: raw.toString("base64"),
    mac,
    fits: (hash, given) => {
      const bytes = Buffer.from(given ?? "", "hex");
      const right = Buffer.from(mac(hash), "hex");
      return bytes.length === right.length && timingSafeEqual(bytes, right);
    },
    sign: (text) => sign(null, Buffer.from(`${HEAD_LABEL}\n${text}`), privateKey).toString("base64"),
  };
}

function keyIdOf(publicKey: Buffer): string {
  return createHash("sha256").update(publicKey).digest("hex").slice(0, 32);
}

/** False also when the public key is not the one that `keyId` names. */
export function signatureFits(keyId: string, publicKey: string, text: string, signature: string): boolean {
  const raw = Buffer.from(publicKey, "base64");
  if (raw.length !== 32 || keyIdOf(raw) !== keyId) return false;
  const key = createPublicKey({ key: Buffer.concat([SPKI, raw]), format: "der", type: "spki" });
  return verify(null, Buffer.from(`${HEAD_LABEL}\n${text}`), key, Buffer.from(signature, "base64"));
}

const bound = new WeakMap<object, AuditKeys>();

/** Whatever is written to the trail of this database from now on carries the MAC of these keys. */
export function bindAuditKeys(db: Db, keys: AuditKeys): void {
  bound.set(identityOf(db), keys);
}

/** Throws `audit.no-key`: without a key nothing is written, rather than something that proves nothing. */
export function auditKeysOf(db: Db): AuditKeys {
  const keys = bound.get(identityOf(db));
  if (keys === undefined)
    throw new AppError("internal", "audit.no-key", "The audit trail of this database has no key yet.");
  return keys;
}
