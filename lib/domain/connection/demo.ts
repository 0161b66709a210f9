import { z } from "zod";
import { Vendor } from "../hardware.ts";

/** A simulated host: real bytes in a folder of the data directory, never a real hypervisor. */
export const DemoConnection = z.object({ transport: z.literal("demo"), vendor: Vendor });
export type DemoConnection = z.infer<typeof DemoConnection>;
