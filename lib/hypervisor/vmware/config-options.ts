/** What a cluster or host offers new VMs: hardware versions, guest systems, numbers. Source: EnvironmentBrowser. */
import { all, flagAt, numberAt, textAt } from "#lib/wire/soap/element.ts";
import { xml } from "#lib/wire/soap/xml-text.ts";
import { versionNumber } from "./limits.ts";
import type { Ref } from "./ref.ts";
import type { CallOptions, VimClient } from "./vim-client.ts";
import { VimFault } from "./vim-fault.ts";

export interface ConfigOptions {
  /** Versions that new VMs may have, newest first. */
  readonly versions: readonly { readonly key: string; readonly label: string }[];
  /** Of the newest version; empty: the host does not tell. */
  readonly guestIds: ReadonlySet<string>;
  readonly maxCpus: number | null;
  /** In one socket. */
  readonly maxCores: number | null;
  /** Bytes. */
  readonly maxMemory: number | null;
}

export const NO_OPTIONS: ConfigOptions = {
  versions: [],
  guestIds: new Set(),
  maxCpus: null,
  maxCores: null,
  maxMemory: null,
};

/** Whoever may not ask gets no options: the usual ones hold then. */
export async function readConfigOptions(
  client: VimClient,
  browser: Ref,
  options: CallOptions = {},
): Promise<ConfigOptions> {
  try {
    const descriptors = await client.call("QueryConfigOptionDescriptor", browser, xml``, options);
    const versions = all(descriptors, "returnval")
      .filter((each) => flagAt(each, "createSupported") !== false && versionNumber(textAt(each, "key") ?? "") > 0)
      .map((each) => ({ key: textAt(each, "key") ?? "", label: textAt(each, "description") ?? "" }))
      .sort((a, b) => versionNumber(b.key) - versionNumber(a.key));
    const newest = versions[0];
    const spec = newest === undefined ? xml`` : xml`<spec><key>${newest.key}</key></spec>`;
    let option = null;
    const stream = client.stream("QueryConfigOptionEx", browser, spec, ["guestOSDescriptor"], options);
    const guestIds = new Set<string>();
    for (;;) {
      const next = await stream.next();
      if (next.done === true) {
        option = next.value;
        break;
      }
      const id = textAt(next.value, "id");
      if (id !== null) guestIds.add(id);
    }
    const hardware = option.children[0]?.children.find((child) => child.name === "hardwareOptions");
    const cpus = all(hardware, "numCPU").flatMap((each) => Number(each.text) || []);
    const cores = numberAt(hardware, "numCoresPerSocket", "max");
    const megabytes = numberAt(hardware, "memoryMB", "max");
    return {
      versions,
      guestIds,
      maxCpus: cpus.length === 0 ? null : Math.max(...cpus),
      maxCores: cores === null || cores <= 0 ? null : cores,
      maxMemory: megabytes === null || megabytes <= 0 ? null : megabytes * 1024 ** 2,
    };
  } catch (error) {
    if (error instanceof VimFault) return NO_OPTIONS;
    throw error;
  }
}
