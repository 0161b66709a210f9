import type { LibvirtConnection } from "#lib/domain/connection/libvirt.ts";
import type { HostSecret } from "#lib/domain/connection.ts";
import type { HypervisorAdapter } from "../adapter.ts";
import { LibvirtClient } from "./client.ts";
import { LibvirtAdapter } from "./libvirt-adapter.ts";
import { asAppError } from "./libvirt-error.ts";
import type { LibvirtHost, LibvirtProduct } from "./product.ts";

/** A session with a host behind libvirt. `callMs`: how long a call waits for its answer. Throws `host.*`. */
export async function openLibvirt<Host extends LibvirtHost>(
  connection: LibvirtConnection,
  secret: HostSecret | null,
  product: LibvirtProduct<Host>,
  signal?: AbortSignal,
  callMs?: number,
): Promise<HypervisorAdapter> {
  const client = await LibvirtClient.open(connection, secret, product.uri, { signal, callMs }).catch(
    (error: unknown) => {
      throw asAppError(error, "Connecting to libvirt");
    },
  );
  return LibvirtAdapter.open(client, product, signal);
}
