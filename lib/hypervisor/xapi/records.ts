/** The XenAPI's records, as far as they are read here. Integers are numbers by JSON-RPC and strings on older pools. */
import { z } from "zod";

const int = z.coerce.number();
const ref = z.string();
/** References in one list: disks of a VM, members that reach a storage. No pool has a tenth of them. */
const MOST_REFS = 1024;
const refs = z.preprocess(
  (given) => (Array.isArray(given) && given.length > MOST_REFS ? given.slice(0, MOST_REFS) : given),
  z.array(ref),
);
const text = z.string();
const map = z.record(z.string(), z.string());

export const NULL_REF = "OpaqueRef:NULL";

const RECORDS = {
  pool: z.object({ uuid: text, name_label: text, master: ref, default_SR: ref.catch(NULL_REF) }),
  host: z.object({
    uuid: text,
    name_label: text,
    address: text,
    enabled: z.boolean(),
    metrics: ref,
    software_version: map.catch({}),
    cpu_info: map.catch({}),
    capabilities: refs.catch([]),
  }),
  host_metrics: z.object({ live: z.boolean(), memory_total: int, memory_free: int }),
  SR: z.object({
    uuid: text,
    name_label: text,
    type: text,
    content_type: text,
    shared: z.boolean(),
    physical_size: int,
    physical_utilisation: int,
    PBDs: refs,
    allowed_operations: refs.catch([]),
    sm_config: map.catch({}),
    is_tools_sr: z.boolean().catch(false),
  }),
  /** The driver of a kind of repository. Older pools do not say which formats it has. */
  SM: z.object({ type: text, supported_image_formats: refs.catch([]) }),
  PBD: z.object({ host: ref, SR: ref, currently_attached: z.boolean() }),
  VDI: z.object({
    uuid: text,
    name_label: text,
    SR: ref,
    VBDs: refs,
    virtual_size: int,
    physical_utilisation: int,
    type: text,
    read_only: z.boolean(),
    missing: z.boolean().catch(false),
    is_a_snapshot: z.boolean().catch(false),
    other_config: map.catch({}),
    sm_config: map.catch({}),
  }),
  network: z.object({
    uuid: text,
    name_label: text,
    bridge: text,
    PIFs: refs,
    MTU: int.catch(1500),
    other_config: map.catch({}),
  }),
  PIF: z.object({ network: ref, device: text, VLAN: int, currently_attached: z.boolean() }),
  VM: z.object({
    uuid: text,
    name_label: text,
    name_description: text,
    power_state: text,
    is_a_template: z.boolean(),
    is_control_domain: z.boolean(),
    is_a_snapshot: z.boolean().catch(false),
    snapshot_of: ref.catch(NULL_REF),
    snapshot_time: text.catch(""),
    snapshot_info: map.catch({}),
    snapshots: refs.catch([]),
    parent: ref.catch(NULL_REF),
    VCPUs_max: int,
    VCPUs_at_startup: int,
    memory_dynamic_max: int,
    memory_static_max: int,
    HVM_boot_policy: text,
    HVM_boot_params: map.catch({}),
    domain_type: text.catch(""),
    platform: map.catch({}),
    other_config: map.catch({}),
    recommendations: text.catch(""),
    VBDs: refs,
    VIFs: refs,
    metrics: ref,
    guest_metrics: ref,
    resident_on: ref.catch(NULL_REF),
  }),
  VM_metrics: z.object({ start_time: text.catch("") }),
  VM_guest_metrics: z.object({ os_version: map.catch({}), networks: map.catch({}) }),
  VBD: z.object({
    VM: ref,
    VDI: ref,
    userdevice: text,
    device: text,
    type: text,
    mode: text,
    empty: z.boolean(),
    bootable: z.boolean().catch(false),
  }),
  VIF: z.object({ VM: ref, network: ref, device: text, MAC: text, currently_attached: z.boolean() }),
} as const;

export type RecordClass = keyof typeof RECORDS;
export type RecordOf<C extends RecordClass> = z.infer<(typeof RECORDS)[C]>;
export const RECORD_CLASSES = Object.keys(RECORDS) as readonly RecordClass[];

/** Null: no such record can be understood, and it is left out. */
export function parseRecord<C extends RecordClass>(name: C, value: unknown): RecordOf<C> | null {
  const parsed = RECORDS[name].safeParse(value);
  return parsed.success ? (parsed.data as RecordOf<C>) : null;
}

export function recordSchema<C extends RecordClass>(name: C): z.ZodType<RecordOf<C>> {
  return RECORDS[name] as unknown as z.ZodType<RecordOf<C>>;
}

/** `20261124T10:11:12Z`; null for the epoch, which means never. */
export function dateOf(value: string): string | null {
  const match = /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d:\d\d:\d\d)/.exec(value);
  if (match === null || match[1] === "1970") return null;
  return `${match[1] ?? ""}-${match[2] ?? ""}-${match[3] ?? ""}T${match[4] ?? ""}.000Z`;
}
