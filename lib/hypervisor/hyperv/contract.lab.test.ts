import { HypervSimulator, whyNoHyperv } from "#e2e/lab/hyperv/simulator.ts";
import { startHypervWithSsh, whyNoHypervSsh } from "#e2e/lab/hyperv/sshd.ts";
import { describe, it } from "vitest";
import { HypervConnection } from "#lib/domain/connection/hyperv.ts";
import { describeAdapterContract } from "../contract.ts";
import { hypervDriver } from "./driver.ts";

function skipped(way: string, reason: string): void {
  describe.skip(`Hyper-V by a simulated host, ${way} (skipped: ${reason})`, () => {
    it("keeps the adapter contract", () => undefined);
  });
}

const reason = whyNoHyperv();
for (const way of ["HTTPS", "sealed HTTP"] as const) {
  if (reason !== null) {
    skipped(way, reason);
    continue;
  }
  describeAdapterContract(`Hyper-V by a simulated host, ${way}`, async () => {
    const host = await HypervSimulator.start();
    const common = { host: "127.0.0.1", user: host.user };
    const connection = HypervConnection.parse(
      way === "sealed HTTP"
        ? { ...common, transport: "http", port: host.httpPort }
        : { ...common, transport: "https", port: host.httpsPort, certificate: host.fingerprint },
    );
    return {
      open: () => hypervDriver.open(connection, { password: host.password }),
      poolRef: "D:",
      networkRef: host.seeded.switches.external,
      dispose: () => host[Symbol.asyncDispose](),
    };
  });
}

const reasonSsh = whyNoHypervSsh();
if (reasonSsh !== null) skipped("disks by SFTP", reasonSsh);
else {
  describeAdapterContract("Hyper-V by a simulated host, disks by SFTP", async () => {
    const lab = await startHypervWithSsh();
    const { host, sshd } = lab;
    const connection = HypervConnection.parse({
      transport: "https",
      host: "127.0.0.1",
      port: host.httpsPort,
      user: host.user,
      certificate: host.fingerprint,
      files: { by: "sftp", port: sshd.port, user: "root", hostKey: sshd.hostKey },
    });
    return {
      open: () => hypervDriver.open(connection, { password: host.password, privateKey: sshd.clientKey }),
      poolRef: "D:",
      networkRef: host.seeded.switches.external,
      async dispose() {
        // Nothing was run on the host: all of its disks came and went by SFTP.
        if (host.programs.ran.length > 0) throw new Error(`the host ran ${host.programs.ran.join("; ")}`);
        await lab[Symbol.asyncDispose]();
      },
    };
  });
}
