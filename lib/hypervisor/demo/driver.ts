/** Simulated hosts: five products, real bytes in a folder, never a hypervisor. */
import { join } from "node:path";
import type { DemoConnection } from "#lib/domain/connection/demo.ts";
import type { HypervisorDriver } from "../adapter.ts";
import { DemoAdapter } from "./demo-adapter.ts";
import { withFaults } from "./faulty-adapter.ts";
import { PRODUCTS } from "./products.ts";

/** `root`: folder in which each vendor's host has its own. */
export function demoDriver(root: string): HypervisorDriver<DemoConnection, unknown> {
  return {
    id: "demo",
    async open(connection, _secret, signal) {
      const folder = join(root, connection.vendor);
      const adapter = new DemoAdapter(folder, connection.vendor, PRODUCTS[connection.vendor]);
      await adapter.prepare();
      return withFaults(adapter, folder, signal);
    },
    identify: async () => null,
  };
}
