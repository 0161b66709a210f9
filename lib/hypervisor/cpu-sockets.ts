/** How many sockets the processors of a new VM are told to sit in. */

/** Windows for clients uses two sockets at most and leaves the processors of the others alone. Source: Windows licence terms. */
const MOST_OF_WINDOWS = 2;
/** What hypervisors take where the host does not tell how large its own processors are. */
const USUAL_CORES = 16;

export interface SocketLimits {
  /** Cores of one of the host's processors; 0: unknown. */
  readonly hostCores: number;
  /** Which edition it is nobody knows before it runs, so two sockets have to do. */
  readonly windows: boolean;
  /** Cores that the host takes in one socket; null: it does not tell. */
  readonly mostCores?: number | null;
}

/** Cores of each socket, always a divisor of `cpus`: as few sockets as the host's own processors allow. */
export function coresPerSocket(cpus: number, { hostCores, windows, mostCores }: SocketLimits): number {
  const allowed = mostCores ?? cpus;
  const most = Math.min(allowed, hostCores > 0 ? hostCores : USUAL_CORES);
  const few = largest(cpus, most);
  if (!windows || cpus / few <= MOST_OF_WINDOWS) return few;
  // Sockets larger than the host's processors are better than processors that the guest ignores.
  return largest(cpus, allowed, cpus % MOST_OF_WINDOWS === 0 ? cpus / MOST_OF_WINDOWS : cpus);
}

/** The largest divisor up to `most`, `wanted` before all others. */
function largest(cpus: number, most: number, wanted = cpus): number {
  for (let cores = Math.min(wanted, most); cores > 1; cores -= 1) if (cpus % cores === 0) return cores;
  return 1;
}
