import { LibvirtError } from "../libvirt-error.ts";

/** For what a driver may not know: its refusal counts as the value, a lost connection does not. */
export function unlessLost<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof LibvirtError) return value;
    throw error;
  };
}
