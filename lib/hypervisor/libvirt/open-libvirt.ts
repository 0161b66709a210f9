import type { LibvirtConnection } from "#lib/domain/connection/libvirt.ts";
import type { HostSecret } from "#lib/domain/connection.ts";
import type { HypervisorAdapter } from "../adapter.ts";
import { LibvirtClient } from "./client.ts";
import { LibvirtAdapter } from "./libvirt-adapter.ts";
import { asAppError } from "./libvirt-error.ts";
import type { LibvirtHost, LibvirtProduct } from "./product.ts";

/** A session with a host behind libvirt. Throws `host.*`. */
export async function openLibvirt<Host extends LibvirtHost>(
  connection: LibvirtConnection,
  secret: HostSecret | null,
  product: LibvirtProduct<Host>,
  signal?: AbortSignal,
): Promise<HypervisorAdapter> {
  const client = await LibvirtClient.open(connection, secret, product.uri, signal).catch((error: unknown) => {
    throw asAppError(error, "Connecting to libvirt");
  });
  return LibvirtAdapter.open(client, product, signal);
}
