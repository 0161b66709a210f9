import { z } from "zod";

/** Lists answer in pages: `next` is the cursor for the following one, null at the end. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next: z.string().nullable(), total: z.number().int() });
/** What the event stream says. The page refetches what it shows of the named thing; progress comes whole. */
export const LiveEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("host"), id: z.string() }),
  z.object({ type: z.literal("inventory"), hostId: z.string(), kinds: z.array(z.string()), refs: z.array(z.string()) }),
  z.object({ type: z.literal("image"), id: z.string() }),
  z.object({ type: z.literal("request"), id: z.string() }),
  z.object({ type: z.literal("job"), id: z.string() }),
  z.object({
    type: z.literal("job-progress"),
    id: z.string(),
    requestId: z.string().nullable(),
    progress: z.unknown(),
  }),
  z.object({ type: z.literal("settings") }),
  z.object({ type: z.literal("library") }),
  z.object({ type: z.literal("audit") }),
  /** Events were lost: everything that was read may be old. */
  z.object({ type: z.literal("gap") }),
]);
export type LiveEvent = z.infer<typeof LiveEvent>;
