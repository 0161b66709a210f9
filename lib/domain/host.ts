import { z } from "zod";
import { HostCapabilities } from "./capabilities.ts";
import { HostConnection, HostSecret } from "./connection.ts";
import { Vendor } from "./hardware.ts";
import { HostFacts, Network, StoragePool, Vm } from "./inventory.ts";
import { plainName } from "./plain-name.ts";

export const ErrorView = z.object({
  kind: z.string(),
  code: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});
export type ErrorView = z.infer<typeof ErrorView>;

export const HostState = z.enum(["connecting", "online", "offline"]);

export const Host = z.object({
  id: z.uuid(),
  name: z.string(),
  vendor: Vendor,
  simulated: z.boolean(),
  /** Public part only. */
  connection: HostConnection,
  /** Which secrets are stored, by name; never their values. */
  secrets: z.array(z.string()),
  state: HostState,
  error: ErrorView.nullable(),
  /** Set while the inventory shown may be out of date. */
  staleSince: z.string().nullable(),
  facts: HostFacts.nullable(),
  capabilities: HostCapabilities.nullable(),
  counts: z.object({ vms: z.number(), running: z.number(), pools: z.number(), networks: z.number() }),
  /** Bytes over all pools; null when no pool tells. */
  storage: z.object({ capacity: z.number().nullable(), free: z.number().nullable() }),
  createdAt: z.string(),
});
export type Host = z.infer<typeof Host>;

export const HostDetail = Host.extend({ pools: z.array(StoragePool), networks: z.array(Network) });
export type HostDetail = z.infer<typeof HostDetail>;

export const HostName = plainName(80);
export const NewHost = z.object({
  name: HostName,
  target: HostConnection,
  secret: HostSecret.nullable().default(null),
});
export type NewHost = z.infer<typeof NewHost>;
/** `secret` absent: keep what is stored; null: forget it. */
export const HostEdit = z.object({
  name: HostName.optional(),
  target: HostConnection.optional(),
  secret: HostSecret.nullable().optional(),
});
export type HostEdit = z.infer<typeof HostEdit>;

/** Outcome of "test connection"; a test never stores anything. */
export const HostTest = z.object({
  ok: z.boolean(),
  /** What the peer shows, to be confirmed when it is not pinned or has changed. */
  identity: z
    .object({ kind: z.enum(["ssh-host-key", "tls-certificate"]), fingerprint: z.string(), pinned: z.boolean() })
    .nullable(),
  facts: HostFacts.nullable(),
  error: ErrorView.nullable(),
});
export type HostTest = z.infer<typeof HostTest>;

/** A row of the inventory: a VM with the host it lives on. */
export const VmRow = Vm.extend({
  hostId: z.uuid(),
  hostName: z.string(),
  vendor: Vendor,
  simulated: z.boolean(),
  staleSince: z.string().nullable(),
});
export type VmRow = z.infer<typeof VmRow>;

/** Sockets found on the server's own machine, offered at onboarding. */
export const Discovered = z.object({
  socket: z.string(),
  label: z.string(),
  usable: z.boolean(),
  why: z.string().nullable(),
});
export type Discovered = z.infer<typeof Discovered>;
