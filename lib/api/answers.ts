/** The parts of route descriptions that every noun uses. */
import { z } from "zod";
import { ErrorView } from "#lib/domain/host.ts";

const json = <T extends z.ZodType>(schema: T) => ({ "application/json": { schema } });

/** The errors that any route may answer; for those whose success is no JSON. */
export const refused = {
  description: "What went wrong, with a stable code",
  content: json(z.object({ error: ErrorView })),
};

/** `200` (or another success) with this body, and the errors that any route may answer. */
export const answers = <T extends z.ZodType>(schema: T, description: string) => ({
  200: { description, content: json(schema) },
  default: refused,
});

export const answers201 = <T extends z.ZodType>(schema: T, description: string) => ({
  201: { description, content: json(schema) },
  default: refused,
});

export const answers202 = <T extends z.ZodType>(schema: T, description: string) => ({
  202: { description, content: json(schema) },
  default: refused,
});

export const answers204 = (description: string) => ({ 204: { description }, default: refused });

export const body = <T extends z.ZodType>(schema: T) => ({ required: true, content: json(schema) });

/** Several values in one parameter, apart by commas. */
export const commaList = z
  .string()
  .max(2000)
  .optional()
  .transform((text) => (text === undefined || text === "" ? [] : text.split(",").filter((part) => part !== "")));

/** A page of a list: where it begins, how much of it. */
export const paging = (most: number, usual: number) => ({
  cursor: z.string().max(2000).optional(),
  limit: z.coerce.number().int().min(1).max(most).default(usual),
});
