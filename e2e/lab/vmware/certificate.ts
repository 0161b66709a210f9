/** Certificates of the day for a server on 127.0.0.1. */
import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface LabCertificate {
  readonly key: string;
  readonly cert: string;
  /** PEM of the CA that signed it. */
  readonly ca: string;
  /** Lower-case hex of the certificate's SHA-256. */
  readonly sha256: string;
  /** As vSphere writes a thumbprint: upper-case SHA-1 with colons. */
  readonly thumbprint: string;
}

export function makeCertificate(folder: string, name: string): LabCertificate {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const day = ["-days", "1", "-nodes", "-newkey", "rsa:2048"];
  openssl("req", "-x509", ...day, "-subj", `/CN=${name} CA`, "-keyout", `${name}-ca.key`, "-out", `${name}-ca.pem`);
  openssl(
    "req",
    "-new",
    "-nodes",
    "-newkey",
    "rsa:2048",
    "-subj",
    `/CN=${name}`,
    "-keyout",
    `${name}.key`,
    "-out",
    `${name}.csr`,
  );
  writeFileSync(join(folder, `${name}.ext`), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  openssl(
    "x509",
    "-req",
    "-in",
    `${name}.csr`,
    "-CA",
    `${name}-ca.pem`,
    "-CAkey",
    `${name}-ca.key`,
    "-CAcreateserial",
    "-days",
    "1",
    "-extfile",
    `${name}.ext`,
    "-out",
    `${name}.pem`,
  );
  const read = (file: string) => readFileSync(join(folder, file), "utf8");
  const cert = read(`${name}.pem`);
  const parsed = new X509Certificate(cert);
  return {
    key: read(`${name}.key`),
    cert,
    ca: read(`${name}-ca.pem`),
    sha256: createHash("sha256").update(parsed.raw).digest("hex"),
    thumbprint: parsed.fingerprint,
  };
}
