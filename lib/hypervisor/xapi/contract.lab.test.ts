import { describe, it } from "vitest";
import { whyNoXapi, XapiSimulator } from "#e2e/lab/xapi/simulator.ts";
import { describeAdapterContract } from "../contract.ts";
import { xapiDriver } from "./driver.ts";

const reason = whyNoXapi();
const ways = [
  ["its master", 0],
  ["a slave", 1],
] as const;

for (const [way, member] of ways) {
  if (reason === null) {
    describeAdapterContract(`a XenServer pool by ${way} (simulated)`, async () => {
      const lab = await XapiSimulator.start();
      const uuid = (name: string, ref: string) => String(lab.db.get(name, ref)["uuid"]);
      return {
        open: () =>
          xapiDriver.open(
            {
              transport: "https",
              host: lab.members[member]!.address,
              port: lab.port,
              user: lab.user,
              certificate: lab.members[0]!.fingerprint,
              caCertificate: null,
            },
            { password: lab.password },
          ),
        // Storage that only the second member reaches: what goes there is redirected.
        poolRef: uuid("SR", member === 0 ? lab.seeded.shared : lab.seeded.onSlave),
        networkRef: uuid("network", lab.seeded.network),
        dispose: async () => lab.stop(),
      };
    });
  } else {
    describe.skip(`a XenServer pool by ${way} (skipped: ${reason})`, () => {
      it("keeps the adapter contract", () => undefined);
    });
  }
}
