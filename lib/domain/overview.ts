/** The numbers of the first page. */
import { z } from "zod";
import { Vendor } from "./hardware.ts";

const count = z.number().int();

export const Overview = z.object({
  hosts: z.object({ total: count, online: count, offline: count, simulated: count }),
  vms: z.object({ total: count, running: count }),
  images: z.object({ total: count, ready: count }),
  requests: z.object({ pending: count, running: count }),
  jobs: z.object({ active: count }),
  /** Where the library's files and the database did not agree when they were last compared. */
  library: z.object({ findings: count }),
  /** Bytes. */
  storage: z.array(
    z.object({
      hostId: z.string(),
      hostName: z.string(),
      vendor: Vendor,
      capacity: z.number().nullable(),
      free: z.number().nullable(),
    }),
  ),
});
export type Overview = z.infer<typeof Overview>;
