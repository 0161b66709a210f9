/** Kerberos with a Hyper-V host: a real realm (MIT's), tickets by password and by key table, sealed messages, and what goes wrong. */
import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { KerberosAcceptor } from "#e2e/lab/hyperv/kerberos-acceptor.ts";
import { HypervSimulator, whyNoHyperv } from "#e2e/lab/hyperv/simulator.ts";
import { type Kdc, startKdc, whyNoKdc } from "#e2e/lab/kerberos/kdc.ts";
import { HypervConnection } from "#lib/domain/connection/hyperv.ts";
import { AppError } from "#lib/errors.ts";
import { gssapi } from "#lib/wire/kerberos/gssapi.ts";
import { tlsServerEndPoint } from "#lib/wire/tls/server-end-point.ts";
import type { HypervisorAdapter } from "../adapter.ts";
import { hypervDriver } from "./driver.ts";

const run = promisify(execFile);
const reason = whyNoHyperv() ?? whyNoKdc();
const CLIENT = ["requests_kerberos", "winrm"].map((name) => `/usr/lib/python3/dist-packages/${name}/__init__.py`);

async function told(work: Promise<AsyncDisposable>): Promise<{ code: string; text: string }> {
  return work.then(
    async (opened) => opened[Symbol.asyncDispose]().then(() => ({ code: "no error", text: "" })),
    (error: unknown) =>
      error instanceof AppError
        ? { code: error.code, text: JSON.stringify([error.message, error.hint]) }
        : { code: `not an AppError: ${String(error)}`, text: "" },
  );
}

describe.skipIf(reason !== null)(
  `Kerberos with a Hyper-V host${reason === null ? "" : ` (skipped: ${reason})`}`,
  () => {
    let lab: HypervSimulator;
    let kdc: Kdc;
    let accepts: KerberosAcceptor;
    const before = { ...process.env };

    const connection = (way: "http" | "https", more: object = {}): HypervConnection =>
      HypervConnection.parse({
        transport: way,
        host: "localhost",
        port: way === "http" ? lab.httpPort : lab.httpsPort,
        auth: "kerberos",
        // As people write it; realms are in capitals.
        user: `${kdc.user}@lab.example`,
        ...(way === "https" ? { certificate: lab.fingerprint } : {}),
        ...more,
      });
    const acceptor = () => new KerberosAcceptor({ KRB5_CONFIG: kdc.config, KRB5_KTNAME: kdc.serviceKeys });

    beforeAll(async () => {
      [lab, kdc] = await Promise.all([HypervSimulator.start(), startKdc()]);
      // In tests of this pool these reach the library too.
      Object.assign(process.env, { KRB5_CONFIG: kdc.config, KRB5CCNAME: `FILE:${join(kdc.folder, "none")}` });
      delete process.env["KRB5_CLIENT_KTNAME"];
      lab.kerberos = accepts = acceptor();
    });
    afterEach(() => {
      process.env["KRB5_CONFIG"] = kdc.config;
      delete process.env["KRB5_CLIENT_KTNAME"];
    });
    afterAll(async () => {
      delete process.env["KRB5_CONFIG"];
      delete process.env["KRB5CCNAME"];
      Object.assign(process.env, before);
      accepts[Symbol.dispose]();
      await lab[Symbol.asyncDispose]();
      kdc.stop();
    });

    const hostName = async (adapter: HypervisorAdapter): Promise<string | undefined> => {
      for await (const item of adapter.inventory()) return item.kind === "host" ? item.name : undefined;
      return undefined;
    };

    it.each(["http", "https"] as const)(
      "signs in over %s with a password, and anew on a new connection",
      async (way) => {
        await using adapter = await hypervDriver.open(connection(way), { password: kdc.password });
        expect(await hostName(adapter)).toBe("HV-LAB");
        lab.dropConnections();
        expect(await hostName(adapter)).toBe("HV-LAB");
        lab.breakNext(1);
        expect(await hostName(adapter)).toBe("HV-LAB");
        // Shells are on connections of their own.
        await expect(
          adapter.planDisk({
            poolRef: "D:",
            name: "x",
            format: "vhdx",
            virtualSize: 1,
            fileLength: null,
            placement: {},
          }),
        ).resolves.toMatchObject({ kind: "disk" });
      },
    );

    it("signs in with the key table of the server's own account", async () => {
      const without = await told(hypervDriver.open(connection("http"), null));
      expect(without.code).toBe("host.auth-failed");
      process.env["KRB5_CLIENT_KTNAME"] = kdc.userKeys;
      await using adapter = await hypervDriver.open(connection("http"), null);
      expect(await hostName(adapter)).toBe("HV-LAB");
    });

    it("tells wrong passwords, unknown accounts and hosts, locked accounts and realms that nobody serves", async () => {
      const open = (more: object, password = kdc.password) =>
        told(hypervDriver.open(connection("http", more), { password }));
      const wrong = await open({}, "hunter2hunter2");
      expect(wrong.code).toBe("host.auth-failed");
      expect(wrong.text).toContain("user and password");
      expect(wrong.text).not.toContain("hunter2");
      const nobody = await open({ user: "nobody@LAB.EXAMPLE" });
      expect(nobody).toMatchObject({ code: "host.auth-failed" });
      expect(nobody.text).toContain("no such user");
      kdc.admin("addprinc -pw Pferd-Batterie-7 locked");
      kdc.admin("modprinc -allow_tix locked");
      expect((await open({ user: "locked@LAB.EXAMPLE" })).text).toContain("locked");
      const elsewhere = join(kdc.folder, "elsewhere.conf");
      writeFileSync(
        elsewhere,
        "[libdefaults]\ndns_lookup_kdc = false\n[realms]\nLAB.EXAMPLE = {\n  kdc = 127.0.0.1:9\n}\n",
      );
      process.env["KRB5_CONFIG"] = elsewhere;
      expect((await open({})).code).toBe("host.kdc-unreachable");
      expect((await open({ user: "x@OTHER.EXAMPLE" })).code).toBe("host.kdc-unreachable");
      process.env["KRB5_CONFIG"] = kdc.config;
      // A host that the realm does not know, reached by another of its names.
      kdc.admin("delprinc -force HTTP/localhost");
      const unknown = await open({});
      expect(unknown.text).toContain("full name");
      kdc.admin("addprinc -randkey HTTP/localhost");
      // Its keys are other ones now than those that the host has.
      expect((await open({})).code).toBe("host.auth-failed");
      kdc.admin(`ktadd -k ${kdc.serviceKeys} HTTP/localhost`);
      accepts[Symbol.dispose]();
      lab.kerberos = accepts = acceptor();
      expect((await open({})).code).toBe("no error");
    });

    it("ends within two seconds when it is cancelled while the realm is silent", async () => {
      const silent = createServer();
      await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
      const { port } = silent.address() as AddressInfo;
      const file = join(kdc.folder, "silent.conf");
      writeFileSync(
        file,
        `[libdefaults]\ndns_lookup_kdc = false\nudp_preference_limit = 1\n[realms]\nLAB.EXAMPLE = {\n  kdc = 127.0.0.1:${port}\n}\n`,
      );
      process.env["KRB5_CONFIG"] = file;
      const stop = new AbortController();
      const opening = told(hypervDriver.open(connection("http"), { password: kdc.password }, stop.signal));
      await delay(300);
      const at = Date.now();
      stop.abort(new AppError("cancelled", "cancelled", "Enough."));
      expect((await opening).code).toBe("cancelled");
      expect(Date.now() - at).toBeLessThan(2000);
      silent.close();
    });

    it("says what is missing on a server without the library", () => {
      expect(() => gssapi(["libno-such-thing.so.9"])).toThrow(
        expect.objectContaining({ code: "host.kerberos-missing", hint: expect.stringContaining("libgssapi-krb5-2") }),
      );
    });

    it("says of a host in no domain that it takes no Kerberos", async () => {
      lab.kerberos = null;
      const none = await told(hypervDriver.open(connection("https"), { password: kdc.password }));
      expect(none.code).toBe("host.auth-failed");
      expect(none.text).toContain("does not take Kerberos");
    });

    it("is not taken in by an answer that was changed, nor by a host that proves nothing", async () => {
      const through = (change: (part: { signature: Buffer; sealed: Buffer }) => void) => ({
        async accept(token: Buffer, bindings: Buffer | null) {
          const accepted = await accepts.accept(token, bindings);
          if (accepted === null) return null;
          const { seal } = accepted;
          const changed = async (message: Buffer) => {
            const { signature, sealed } = await seal.seal(message);
            const part = { signature: Buffer.from(signature), sealed: Buffer.from(sealed) };
            change(part);
            return part;
          };
          return { ...accepted, seal: { ...seal, seal: changed } };
        },
      });
      for (const change of [
        ({ sealed }: { sealed: Buffer }) => void (sealed[9] = (sealed[9] ?? 0) + 1),
        ({ signature }: { signature: Buffer }) => void (signature[20] = (signature[20] ?? 0) + 1),
      ]) {
        lab.kerberos = through(change);
        expect((await told(hypervDriver.open(connection("http"), { password: kdc.password }))).code).toBe(
          "host.protocol",
        );
      }
      for (const proof of [Buffer.alloc(0), Buffer.from("no token")]) {
        lab.kerberos = {
          accept: async (token, bindings) => {
            const accepted = await accepts.accept(token, bindings);
            return accepted === null ? null : { ...accepted, token: proof };
          },
        };
        const nobody = await told(hypervDriver.open(connection("https"), { password: kdc.password }));
        expect(nobody.code).toBe("host.auth-failed");
      }
      // Somebody in between with a certificate of his own, which was pinned by mistake.
      lab.kerberos = { accept: (token) => accepts.accept(token, tlsServerEndPoint(Buffer.from("another"))) };
      const between = await told(hypervDriver.open(connection("https"), { password: kdc.password }));
      expect(between.code).toBe("host.auth-failed");
      expect(accepts.refusals.at(-1)).toMatch(/channel bindings/i);
      lab.kerberos = accepts;
      expect((await told(hypervDriver.open(connection("http"), { password: kdc.password }))).code).toBe("no error");
    });

    const missing = CLIENT.find((path) => !existsSync(path));
    it.skipIf(missing !== undefined)(
      `lets python3-winrm in by Kerberos over HTTPS${missing === undefined ? "" : ` (skipped: ${missing} is not installed)`}`,
      async () => {
        const ticket = join(kdc.folder, "python-tickets");
        const env = { ...process.env, KRB5CCNAME: `FILE:${ticket}` };
        await run("kinit", ["-k", "-t", kdc.userKeys, `${kdc.user}@${kdc.realm}`], { env });
        const program = `import sys, winrm
session = winrm.Session(sys.argv[1], auth=(sys.argv[3], ""), transport="kerberos", ca_trust_path=sys.argv[2])
print(session.run_cmd("hostname").std_out.decode().strip())`;
        const { stdout } = await run(
          "/usr/bin/python3",
          ["-c", program, `https://localhost:${lab.httpsPort}/wsman`, lab.certificateFile, `${kdc.user}@${kdc.realm}`],
          { env, timeout: 30_000 },
        );
        expect(stdout.trim()).toBe("HV-LAB");
      },
    );
  },
);
