/** Files of virtual disks in datastores, `[datastore] folder/name.vmdk`. */
import { xml } from "#lib/wire/soap/xml-text.ts";
import { propertiesOf } from "./properties.ts";
import { refOf, refXml, type Ref } from "./ref.ts";
import { runTask } from "./task.ts";
import type { CallOptions, VimClient } from "./vim-client.ts";
import { isFault } from "./vim-fault.ts";

export interface DatastorePath {
  readonly datastore: string;
  /** Below the datastore's root, `/` between the parts. */
  readonly path: string;
}

/** Null: it is no such path. */
export function parsePath(text: string): DatastorePath | null {
  const [, datastore, path] = /^\[([^\]]+)\] ?(.*)$/.exec(text) ?? [];
  return datastore === undefined || path === undefined ? null : { datastore, path };
}

/** Gone already is fine. */
export async function deleteDisk(
  client: VimClient,
  file: string,
  datacenter: Ref,
  options: CallOptions = {},
): Promise<void> {
  const args = xml`<name>${file}</name>${refXml("datacenter", datacenter)}`;
  try {
    await runTask(client, "DeleteVirtualDisk_Task", client.service("virtualDiskManager"), args, options);
  } catch (error) {
    if (
      !isFault(error, "FileNotFound", "FileFault", "CannotDeleteFile") ||
      (await diskExists(client, file, datacenter, options))
    )
      throw error;
  }
}

/** Within a datastore: the host gives the file another name, no byte moves. */
export async function moveDisk(
  client: VimClient,
  from: string,
  to: string,
  datacenter: Ref,
  options: CallOptions = {},
): Promise<void> {
  const center = (name: string) => refXml(name, datacenter);
  const args = xml`<sourceName>${from}</sourceName>${center("sourceDatacenter")}<destName>${to}</destName>${center("destDatacenter")}<force>false</force>`;
  await runTask(client, "MoveVirtualDisk_Task", client.service("virtualDiskManager"), args, options);
}

export async function diskExists(
  client: VimClient,
  file: string,
  datacenter: Ref,
  options: CallOptions = {},
): Promise<boolean> {
  try {
    await client.call(
      "QueryVirtualDiskUuid",
      client.service("virtualDiskManager"),
      xml`<name>${file}</name>${refXml("datacenter", datacenter)}`,
      options,
    );
    return true;
  } catch (error) {
    if (isFault(error, "FileNotFound", "CannotAccessFile", "FileFault", "NotFound")) return false;
    throw error;
  }
}

/** Is there a folder of this name at the root of the datastore? */
export async function folderExists(
  client: VimClient,
  datastore: Ref,
  name: string,
  folder: string,
  options: CallOptions = {},
): Promise<boolean> {
  const browser = refOf((await propertiesOf(client, datastore, ["browser"], options)).get("browser"));
  if (browser === null) return false;
  const args = xml`<datastorePath>${`[${name}] ${folder}`}</datastorePath><searchSpec><matchPattern>*.vmdk</matchPattern></searchSpec>`;
  try {
    await runTask(client, "SearchDatastore_Task", browser, args, options);
    return true;
  } catch (error) {
    if (isFault(error, "FileNotFound")) return false;
    throw error;
  }
}
