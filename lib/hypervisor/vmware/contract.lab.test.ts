import { describe, it } from "vitest";
import { startVsphere } from "#e2e/lab/vmware/lab.ts";
import { whyNoVcsim } from "#e2e/lab/vmware/vcsim.ts";
import { describeAdapterContract } from "../contract.ts";
import { vmwareDriver } from "./driver.ts";

const reason = whyNoVcsim();
if (reason === null) {
  for (const kind of ["vpx", "esx"] as const) {
    describeAdapterContract(`VMware by ${kind === "vpx" ? "vCenter" : "ESXi"} as vcsim has it`, async () => {
      const lab = await startVsphere({ kind, vms: 1 });
      const open = () => vmwareDriver.open(lab.connection, lab.secret);
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
        dispose: async () => lab[Symbol.asyncDispose](),
      };
    });
  }
} else {
  describe.skip(`VMware by vcsim (skipped: ${reason})`, () => {
    it("keeps the adapter contract", () => undefined);
  });
}
