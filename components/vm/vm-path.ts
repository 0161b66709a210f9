/** Address of a VM's page. `ref` is the host's own identifier and may hold any character. */
export function vmPath(vm: { hostId: string; ref: string }): string {
  return `/vms/${encodeURIComponent(vm.hostId)}/${encodeURIComponent(vm.ref)}`;
}

/** One text for a VM across hosts: for keys and for the address. */
export function vmKey(vm: { hostId: string; ref: string }): string {
  return `${vm.hostId}/${vm.ref}`;
}

/** The way back from vmKey; null when the text is none. */
export function parseVmKey(key: string | null): { hostId: string; ref: string } | null {
  const slash = key?.indexOf("/") ?? -1;
  if (!key || slash <= 0 || slash === key.length - 1) return null;
  return { hostId: key.slice(0, slash), ref: key.slice(slash + 1) };
}
