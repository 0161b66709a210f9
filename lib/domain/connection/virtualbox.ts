/** VBoxManage, run here or on another machine through SSH. */
import { z } from "zod";
import { Hostname, Port, SshFingerprint, SshUser } from "./address.ts";

/** A full path that ends in VBoxManage, on Linux, macOS or Windows: nothing else is ever run. Null: the usual places. */
const Program = z
  .string()
  .max(1024)
  .regex(/^(?:\/|[A-Za-z]:[\\/])[^\u0000-\u001f"]*$/)
  .regex(/(?:^|[\\/])VBoxManage(?:\.exe)?$/i)
  .nullable()
  .default(null);

const VirtualBoxLocal = z.object({ transport: z.literal("local"), program: Program });
const VirtualBoxSsh = z.object({
  transport: z.literal("ssh"),
  host: Hostname,
  port: Port.default(22),
  /** VirtualBox keeps its machines by user: whoever signs in sees only its own. */
  user: SshUser,
  program: Program,
  /** Null until a person confirmed it. */
  hostKey: SshFingerprint.nullable().default(null),
});
export const VirtualBoxConnection = z.discriminatedUnion("transport", [VirtualBoxLocal, VirtualBoxSsh]);
export type VirtualBoxConnection = z.infer<typeof VirtualBoxConnection>;
