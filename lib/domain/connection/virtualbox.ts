/** VBoxManage, run here or on another machine through SSH. */
import { z } from "zod";
import { Hostname, Port, SshFingerprint, SshUser } from "./address.ts";

/**
 * Which program is run is never part of a connection: fixed places and the machine's own environment say where VBoxManage
 * lies. A `program`, which connections once had, is left out as they are read.
 */
const VirtualBoxLocal = z.object({ transport: z.literal("local") });
const VirtualBoxSsh = z.object({
  transport: z.literal("ssh"),
  host: Hostname,
  port: Port.default(22),
  /** VirtualBox keeps its machines by user: whoever signs in sees only its own. */
  user: SshUser,
  /** Null until a person confirmed it. */
  hostKey: SshFingerprint.nullable().default(null),
});
export const VirtualBoxConnection = z.discriminatedUnion("transport", [VirtualBoxLocal, VirtualBoxSsh]);
export type VirtualBoxConnection = z.infer<typeof VirtualBoxConnection>;
