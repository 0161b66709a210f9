/** Secrets that were given to the console: in no answer, job, trail, log or file in clear. */
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { readOperations, targetFor } from "../bench/api-document.ts";
import { ask } from "../bench/ask.ts";
import type { Bench } from "../bench/bench.ts";

const secret = (kind: string) => `${kind}-${randomBytes(18).toString("base64url")}`;

/** Stores one of each kind; what the suite learns itself counts too. */
export async function storeSecrets(bench: Bench): Promise<() => Promise<void>> {
  const { secrets, admin } = bench;
  const hostSecrets = {
    password: secret("password"),
    privateKey: secret("key"),
    passphrase: secret("passphrase"),
    sshPassword: secret("ssh"),
    clientKey: secret("client"),
  };
  for (const [name, value] of Object.entries(hostSecrets)) secrets.set(`a host's ${name}`, value);
  const PIN = "a".repeat(64);
  const KEY = `SHA256:${"A".repeat(43)}`;
  const at = { host: "127.0.0.1", port: 1, user: "u" };
  const targets = [
    { driver: "vmware", connection: { ...at, transport: "https", certificate: PIN } },
    {
      driver: "hyperv",
      connection: {
        ...at,
        transport: "https",
        auth: "ntlm",
        certificate: PIN,
        files: { by: "sftp", port: 1, user: "u", hostKey: KEY },
      },
    },
    { driver: "kvm", connection: { ...at, transport: "ssh", hostKey: KEY } },
    {
      driver: "kvm",
      connection: { transport: "tls", host: "127.0.0.1", port: 1, certificate: PIN, clientCertificate: "x" },
    },
    { driver: "xapi", connection: { ...at, transport: "https", certificate: PIN } },
    { driver: "virtualbox", connection: { ...at, transport: "ssh", hostKey: KEY } },
  ];
  const stored: string[] = [];
  for (const [n, target] of targets.entries()) {
    const answer = await bench.api("POST", "/hosts", {
      as: admin,
      body: { name: `secret ${n}`, target, secret: hostSecrets },
    });
    if (answer.status === 201) stored.push((answer.json as { id: string }).id);
    await bench.api("POST", "/hosts/test", { as: admin, body: { name: `secret ${n}`, target, secret: hostSecrets } });
  }
  const password = secret("own");
  secrets.set("an account's password", password);
  const user = await bench.api("POST", "/users", {
    as: admin,
    body: { email: `${randomBytes(6).toString("hex")}@example.test`, name: "Secret", role: "operator", password },
  });
  const { id: userId, email } = user.json as { id: string; email: string };
  // What is wrong may still be right elsewhere.
  const mistyped = secret("mistyped");
  secrets.set("a mistyped password", mistyped);
  await ask(bench.url, "POST", "/api/v1/login", { from: bench.address(), body: { email, password: mistyped } });
  const token = await bench.login({ email, password });
  secrets.set("a token", token);
  const browser = await bench.browser({ email, password });
  secrets.set("a session's cookie", (browser["cookie"] ?? "").split("=").slice(1).join("="));
  await bench.api("POST", "/session/password", { as: token, body: { current: mistyped, next: `${mistyped}2` } });
  const signature = secret("signature");
  secrets.set("the query of a URL", signature);
  await bench.api("POST", "/images/import-url", {
    as: bench.operator,
    body: { url: `http://127.0.0.1:1/x.raw?signature=${signature}`, sha256: "0".repeat(64) },
  });
  const offer = await bench.ok<{ token: string; transfer: { path: string } }>("POST", "/transfers", {
    as: bench.operator,
    body: { imageId: bench.image.id, versionId: bench.image.versionId, diskId: bench.image.diskId, format: "vmdk" },
    showsSecret: true,
  });
  secrets.set("a transfer's token", offer.token);
  await ask(bench.url, "GET", `${offer.transfer.path}?token=${offer.token}&x=1`, { headers: { range: "bytes=0-0" } });
  await bench.api("GET", `/nowhere?token=${offer.token}`, { as: token });
  for (const key of ["secret.key", "auth.key"]) {
    const bytes = readFileSync(join(bench.console.dataDir, key));
    secrets.set(`${key} in base64`, bytes.toString("base64").replace(/=+$/, ""));
    secrets.set(`${key} in hex`, bytes.toString("hex"));
  }
  secrets.set("the first administrator's password", admin.password);
  return () => judge(bench, stored, userId);
}

async function judge(bench: Bench, stored: readonly string[], userId: string): Promise<void> {
  const answers = bench.tally.row("content", "secrets in answers");
  const operations = (await readOperations(bench.url)).filter(({ method }) => method === "GET");
  const ids = [...stored, userId, bench.image.id];
  for (const operation of operations)
    for (const id of operation.path.includes("{") ? ids : [""])
      bench.watch(
        operation.name,
        await bench.api(
          operation.method,
          targetFor(operation, () => id),
          { as: bench.admin },
        ),
      );
  for (const format of ["csv", "json"])
    bench.watch("the exported trail", await bench.api("GET", `/audit/export?format=${format}`, { as: bench.admin }));
  const { items } = await bench.ok<{ items: { id: string }[] }>("GET", "/jobs?limit=100", { as: bench.admin });
  for (const { id } of items.slice(0, bench.short ? 20 : 100))
    bench.watch("a job", await bench.api("GET", `/jobs/${id}`, { as: bench.admin }));
  for (const [name] of bench.secrets) {
    const leak = bench.leaks.find((text) => text.startsWith(`${name} in`));
    answers.check(leak === undefined, leak ?? "");
  }

  const log = bench.tally.row("content", "secrets in the log at its most talkative");
  const text = bench.log();
  for (const [name, value] of bench.secrets) log.check(!text.includes(value), `${name}: ${lineWith(text, value)}`);

  const disk = bench.tally.row("content", "secrets in files of the data folder");
  const found = new Set<string>();
  for (const path of filesBelow(bench.console.dataDir)) {
    const key = /(secret|auth)\.key$/.test(path);
    const bytes = readFileSync(path);
    for (const [name, value] of bench.secrets) {
      if (key && name.includes(".key")) continue;
      const forms = [
        value,
        Buffer.from(value).toString("base64").replace(/=+$/, ""),
        Buffer.from(value).toString("hex"),
        createHash("md5").update(value).digest("hex"),
        createHash("sha1").update(value).digest("hex"),
      ];
      if (forms.some((form) => bytes.includes(form)) || bytes.includes(Buffer.from(value, "utf16le")))
        found.add(`${name} in ${path.slice(bench.console.dataDir.length)}`);
    }
  }
  for (const [name] of bench.secrets) {
    const leak = [...found].find((what) => what.startsWith(`${name} in`));
    disk.check(leak === undefined, leak ?? "");
  }
  const modes = bench.tally.row("content", "files of the data folder that others may read");
  for (const path of filesBelow(bench.console.dataDir)) {
    const mode = statSync(path).mode & 0o777;
    if (/\.key$/.test(path)) modes.check(mode === 0o600, `${path}: ${mode.toString(8)}`);
  }
  modes.check(
    (statSync(bench.console.dataDir).mode & 0o077) === 0,
    `the folder itself: ${(statSync(bench.console.dataDir).mode & 0o777).toString(8)}`,
  );
}

function lineWith(text: string, value: string): string {
  const at = text.indexOf(value);
  const begin = text.lastIndexOf("\n", at) + 1;
  return text.slice(begin, begin + 200).replaceAll(value, "…");
}

const MOST_BYTES = 64 * 1024 * 1024;

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => (statSync(path, { throwIfNoEntry: false })?.size ?? MOST_BYTES) < MOST_BYTES);
}
