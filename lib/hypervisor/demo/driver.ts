/** Simulated hosts: five products, real bytes in a folder, never a hypervisor. */
import { join } from "node:path";
import type { DemoConnection } from "#lib/domain/connection/demo.ts";
import type { HypervisorDriver } from "../adapter.ts";
import { DemoAdapter } from "./demo-adapter.ts";
import { PRODUCTS } from "./products.ts";

/** `root`: folder in which each vendor's host has its own. */
export function demoDriver(root: string): HypervisorDriver<DemoConnection, unknown> {
  return {
    id: "demo",
    async open(connection) {
      const adapter = new DemoAdapter(join(root, connection.vendor), connection.vendor, PRODUCTS[connection.vendor]);
      await adapter.prepare();
      return adapter;
    },
    identify: async () => null,
  };
}
