/**
 * VBoxManage from 7.0 on speaks the language of VirtualBox's server (VBoxSVC), whatever the environment of whoever runs
 * it says: the one that was set as a property, by VirtualBox's window for instance, or that of whoever started the server.
 */
import { AppError } from "#lib/errors.ts";
import type { Listed } from "./records.ts";
import type { VBoxManage } from "./vboxmanage.ts";

/** Of `list systemproperties`, in every version. */
const KNOWN = ["API version", "Minimum guest RAM size", "Maximum guest RAM size", "Default machine folder"];

export const isEnglish = (properties: Listed): boolean => KNOWN.some((name) => properties.has(name));

export function otherLanguage({ machine }: Pick<VBoxManage, "machine">): AppError {
  return new AppError(
    "unprocessable",
    "host.other-language",
    `VirtualBox on ${machine.name} does not answer in English, and its answers cannot be read.`,
    {
      hint: "Run there, as the user whose VMs these are: VBoxManage setproperty language C. Where VirtualBox's window is used, choose English in its preferences, since it sets the language each time.",
    },
  );
}
