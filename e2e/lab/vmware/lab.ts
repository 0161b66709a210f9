/** A vSphere endpoint with its proxy, and the way to it. */
import type { VsphereConnection } from "#lib/domain/connection/vmware.ts";
import { startProxy, type VsphereProxy } from "./proxy.ts";
import { startVcsim, type VcsimModel } from "./vcsim.ts";

export interface VsphereLab extends AsyncDisposable {
  readonly proxy: VsphereProxy;
  readonly connection: VsphereConnection;
  readonly secret: { readonly password: string };
}

export async function startVsphere(model: VcsimModel): Promise<VsphereLab> {
  const vcsim = await startVcsim(model);
  const proxy = await startProxy(vcsim);
  return {
    proxy,
    connection: {
      transport: "https",
      host: "127.0.0.1",
      port: proxy.port,
      user: proxy.user,
      certificate: proxy.certificate().sha256,
      caCertificate: null,
    },
    secret: { password: proxy.password },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await vcsim.stop();
    },
  };
}
