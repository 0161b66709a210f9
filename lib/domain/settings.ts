import { z } from "zod";

export const Settings = z.object({
  /** Requests run without a second person's approval. */
  waiveApproval: z.boolean().default(false),
  /** Folders on the server from which images may be imported; absolute paths. */
  importFolders: z.array(z.string().startsWith("/").max(4096)).max(32).default([]),
  /** Addresses in private and loopback ranges may be fetched by import from URL. */
  allowPrivateUrls: z.boolean().default(false),
});
export type Settings = z.infer<typeof Settings>;

/** The settings with what should be known of them now. */
export const SettingsView = Settings.extend({
  /** Of allowed folders that are not there yet, cannot be read, or are never imported from. */
  importFolderNotices: z.array(z.object({ folder: z.string(), message: z.string() })).default([]),
});
export type SettingsView = z.infer<typeof SettingsView>;
