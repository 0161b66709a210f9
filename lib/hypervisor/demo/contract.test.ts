import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VENDORS } from "#lib/domain/hardware.ts";
import { describeAdapterContract } from "../contract.ts";
import { demoDriver } from "./driver.ts";
import { PRODUCTS } from "./products.ts";

for (const vendor of VENDORS) {
  describeAdapterContract(`the simulated ${vendor} host`, async () => {
    const root = await mkdtemp(join(tmpdir(), "supravisor-demo-"));
    const driver = demoDriver(root);
    return {
      open: () => driver.open({ transport: "demo", vendor }, null),
      poolRef: PRODUCTS[vendor].pools[0]!.name,
      networkRef: PRODUCTS[vendor].networks[0]!.name,
      dispose: () => rm(root, { recursive: true, force: true }),
    };
  });
}
