/** Container views: all objects of some types below the root, kept up to date by the host. */
import { textAt } from "#lib/wire/soap/element.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";
import { ref, refXml, type Ref } from "./ref.ts";
import type { CallOptions, VimClient } from "./vim-client.ts";

export async function createView(client: VimClient, types: readonly string[], options: CallOptions = {}): Promise<Ref> {
  const args = xml`${refXml("container", client.service("rootFolder"))}${types.map((type) => xml`<type>${type}</type>`)}<recursive>true</recursive>`;
  const made = await client.call("CreateContainerView", client.service("viewManager"), args, options);
  return ref("ContainerView", textAt(made, "returnval") ?? "");
}

/** The view lasts as long as the work; one that cannot be removed ends with the session. */
export async function withView<T>(
  client: VimClient,
  types: readonly string[],
  options: CallOptions,
  work: (view: Ref) => Promise<T>,
): Promise<T> {
  const view = await createView(client, types, options);
  try {
    return await work(view);
  } finally {
    await client.call("DestroyView", view, xml``, { timeout: 2000 }).catch(() => undefined);
  }
}
