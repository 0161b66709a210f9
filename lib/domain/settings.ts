import { z } from "zod";

/** `10.0.0.0/8`, `fd00:1::/64` */
const Network = z.union([z.cidrv4(), z.cidrv6()]);

/** RFC 1918 and RFC 4193: what "private networks" meant when they were allowed all at once. */
const ALL_PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

export const Settings = z.object({
  /** Requests run without a second person's approval. */
  waiveApproval: z.boolean().default(false),
  /** Folders on the server from which images may be imported; absolute paths. */
  importFolders: z.array(z.string().startsWith("/").max(4096)).max(32).default([]),
  /** Private networks that import from URL may fetch from; the public Internet needs no entry. */
  importNetworks: z.array(Network).max(64).default([]),
});
export type Settings = z.infer<typeof Settings>;

/** Settings as they are stored, also by versions that allowed all private networks or none (`allowPrivateUrls`). */
export function storedSettings(value: unknown): Settings {
  const old = z.looseObject({ allowPrivateUrls: z.boolean().optional() }).catch({}).parse(value);
  return Settings.parse({ ...(old.allowPrivateUrls === true ? { importNetworks: ALL_PRIVATE } : {}), ...old });
}
/** The settings with what should be known of them now. */
export const SettingsView = Settings.extend({
  /** Of allowed folders that are not there yet, cannot be read, or are never imported from. */
  importFolderNotices: z.array(z.object({ folder: z.string(), message: z.string() })).default([]),
});
export type SettingsView = z.infer<typeof SettingsView>;
