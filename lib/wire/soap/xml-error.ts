import { AppError } from "#lib/errors.ts";

export function malformed(why: string): AppError {
  return new AppError("unavailable", "host.protocol", `The host's answer is not XML that can be read: ${why}.`, {
    hint: "Check that the address and the port are those of the hypervisor.",
  });
}
