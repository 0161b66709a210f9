/** Secrets at rest: AES-256-GCM under one key of this installation, each box bound to what it belongs to. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { AppError } from "#lib/errors.ts";

export interface SecretBox {
  /** `bind` (a host's id) is authenticated: a box moved to another row does not open. */
  seal(plain: string, bind: string): string;
  /** Throws `secret.unreadable`. */
  open(box: string, bind: string): string;
  /** 32 bytes for another purpose, by HKDF-SHA256 from the same key: those of one label say nothing about another's. */
  derive(label: string): Buffer;
}

const VERSION = "v1";

export function secretBox(key: Buffer): SecretBox {
  if (key.length !== 32) {
    throw new AppError("invalid", "secret.bad-key", "The secret key must be 32 bytes, in base64.", {
      hint: "Make one with: openssl rand -base64 32",
    });
  }
  return {
    seal(plain, bind) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(bind, "utf8"));
      const body = Buffer.concat([cipher.update(plain, "utf8"), cipher.final()]);
      return [VERSION, nonce.toString("base64"), cipher.getAuthTag().toString("base64"), body.toString("base64")].join(
        ".",
      );
    },
    open(box, bind) {
      const [version, nonce, tag, body] = box.split(".");
      try {
        if (version !== VERSION || nonce === undefined || tag === undefined || body === undefined)
          throw new Error("not a box");
        const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(nonce, "base64"), {
          authTagLength: 16,
        }).setAAD(Buffer.from(bind, "utf8"));
        decipher.setAuthTag(Buffer.from(tag, "base64"));
        return Buffer.concat([decipher.update(Buffer.from(body, "base64")), decipher.final()]).toString("utf8");
      } catch (cause) {
        throw new AppError(
          "internal",
          "secret.unreadable",
          "A stored secret cannot be decrypted with this installation's key.",
          {
            hint: "The key file was replaced, or the database comes from another installation. Enter the host's secret again.",
            cause,
          },
        );
      }
    },
    derive: (label) => Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), label, 32)),
  };
}
