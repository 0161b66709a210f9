import { describe, it } from "vitest";
import { startProxy } from "#e2e/lab/vmware/proxy.ts";
import { startVcsim, whyNoVcsim } from "#e2e/lab/vmware/vcsim.ts";
import { describeAdapterContract } from "../contract.ts";
import { vmwareDriver } from "./driver.ts";

const reason = whyNoVcsim();
if (reason === null) {
  for (const kind of ["vpx", "esx"] as const) {
    describeAdapterContract(`VMware by ${kind === "vpx" ? "vCenter" : "ESXi"} as vcsim has it`, async () => {
      const vcsim = await startVcsim({ kind, vms: 1 });
      const proxy = await startProxy(vcsim);
      const { port, user, password } = proxy;
      const connection = {
        transport: "https" as const,
        host: "127.0.0.1",
        port,
        user,
        certificate: proxy.certificate().sha256,
        caCertificate: null,
      };
      const open = () => vmwareDriver.open(connection, { password });
      const refs: { pool: string; network: string | null } = { pool: "", network: null };
      await using adapter = await open();
      for await (const item of adapter.inventory()) {
        if (item.kind === "pool" && item.writable) refs.pool = item.ref;
        if (item.kind === "network") refs.network ??= item.ref;
      }
      return {
        open,
        poolRef: refs.pool,
        networkRef: refs.network,
        dispose: async () => {
          await proxy[Symbol.asyncDispose]();
          await vcsim.stop();
        },
      };
    });
  }
} else {
  describe.skip(`VMware by vcsim (skipped: ${reason})`, () => {
    it("keeps the adapter contract", () => undefined);
  });
}
