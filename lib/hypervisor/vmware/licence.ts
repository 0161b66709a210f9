/** What the licence of an ESXi host lets programs do. Source: "vSphere Web Services API", LicenseManager. */
import { all, textAt } from "#lib/wire/soap/element.ts";
import { propertiesOf } from "./properties.ts";
import type { CallOptions, VimClient } from "./vim-client.ts";
import { VimFault } from "./vim-fault.ts";

/** The free edition: its API answers questions and changes nothing. */
const FREE = "esxBasic";

export const WHY_READ_ONLY = "The free licence of this ESXi host lets programs read, but not change anything.";

/** False also where it is not told. A vCenter never has that licence, nor have its hosts. */
export async function isReadOnly(client: VimClient, options: CallOptions = {}): Promise<boolean> {
  if (client.isVcenter) return false;
  try {
    const found = await propertiesOf(client, client.service("licenseManager"), ["licenses"], options);
    const editions = all(found.get("licenses"), "LicenseManagerLicenseInfo").flatMap(
      (each) => textAt(each, "editionKey") ?? [],
    );
    return editions.length > 0 && editions.every((edition) => edition === FREE);
  } catch (error) {
    if (error instanceof VimFault) return false;
    throw error;
  }
}
