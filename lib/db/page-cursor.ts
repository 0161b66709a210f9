/** Cursors of all lists: where the last row of a page stands. They are the list's own; nobody makes one by hand. */
import type { z } from "zod";
import { AppError } from "#lib/errors.ts";

/** `list` tells the cursor of one list, and of one order of it, from any other. */
export function pageCursor(list: string, place: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify([list, ...place])).toString("base64url");
}

/** Undefined without a cursor: the first page. Throws `list.bad-cursor`, whatever it is that is not a cursor of this list. */
export function readPageCursor<T extends z.ZodType>(
  list: string,
  place: T,
  cursor: string | null | undefined,
): z.infer<T> | undefined {
  if (cursor === null || cursor === undefined) return undefined;
  const text = Buffer.from(cursor, "base64url");
  // Decoding skips what is not base64url: only the very text that was given out is a cursor.
  if (cursor !== "" && text.toString("base64url") === cursor) {
    try {
      const [of, ...rest] = JSON.parse(text.toString("utf8")) as unknown[];
      const parsed = place.safeParse(rest);
      if (of === list && parsed.success) return parsed.data;
    } catch {
      // Falls through: whatever it is, it is none of ours.
    }
  }
  throw new AppError("invalid", "list.bad-cursor", "The cursor is not one that this list gave.", {
    hint: "Start again without a cursor. A cursor belongs to one list and one order of it.",
  });
}
