/** What a virtual hardware version takes, where the host itself does not tell. Source: VMware "Configuration Maximums". */

const GiB = 1024 ** 3;
const TiB = 1024 ** 4;

/** Oldest version first. */
const MAXIMUMS: readonly { readonly version: number; readonly cpus: number; readonly memory: number }[] = [
  { version: 8, cpus: 64, memory: 1011 * GiB },
  { version: 10, cpus: 64, memory: 1011 * GiB },
  { version: 11, cpus: 128, memory: 4080 * GiB },
  { version: 13, cpus: 128, memory: 6128 * GiB },
  { version: 17, cpus: 256, memory: 6128 * GiB },
  { version: 18, cpus: 768, memory: 24 * TiB },
  { version: 21, cpus: 960, memory: 24 * TiB },
];

export const MAX_DISK = 62 * TiB;
export const MIN_MEMORY = 4 * 1024 ** 2;
/** Four controllers of fifteen. */
export const MAX_DISKS = 60;
export const MAX_NICS = 10;
export const MAX_NAME = 80;
/** Secure Boot of guests. */
export const SECURE_BOOT_VERSION = 13;
export const NVME_VERSION = 13;

export function maximumsOf(version: number): { cpus: number; memory: number } {
  const found = MAXIMUMS.findLast((each) => each.version <= version) ?? MAXIMUMS[0];
  return { cpus: found?.cpus ?? 64, memory: found?.memory ?? 1011 * GiB };
}

/** `vmx-19` → 19; 0: it is none. */
export function versionNumber(key: string): number {
  const found = /^vmx-(\d{1,3})$/.exec(key);
  return found === null ? 0 : Number(found[1]);
}
