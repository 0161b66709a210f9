import { HypervSimulator, whyNoHyperv } from "#e2e/lab/hyperv/simulator.ts";
import { describe, it } from "vitest";
import { describeAdapterContract } from "../contract.ts";
import { hypervDriver } from "./driver.ts";

const reason = whyNoHyperv();
if (reason !== null) {
  describe.skip(`Hyper-V (skipped: ${reason})`, () => {
    it("keeps the adapter contract", () => undefined);
  });
} else {
  for (const way of ["https", "http"] as const) {
    describeAdapterContract(`Hyper-V by a simulated host, ${way === "http" ? "sealed HTTP" : "HTTPS"}`, async () => {
      const host = await HypervSimulator.start();
      const common = { host: "127.0.0.1", user: host.user, callback: null };
      return {
        open: () =>
          hypervDriver.open(
            way === "http"
              ? { ...common, transport: "http", port: host.httpPort }
              : {
                  ...common,
                  transport: "https",
                  port: host.httpsPort,
                  auth: "ntlm",
                  certificate: host.fingerprint,
                  caCertificate: null,
                  clientCertificate: null,
                },
            { password: host.password },
          ),
        poolRef: "D:",
        networkRef: host.seeded.switches.external,
        dispose: () => host[Symbol.asyncDispose](),
      };
    });
  }
}
