/** Names and words that mean what they show: no orders to a terminal, no turned direction, no half characters. */
import { z } from "zod";

/** Control characters of both sets, marks that turn the direction of text, separators of lines, lone surrogates. */
const UNPRINTABLE = String.raw`[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]|\p{Cs}`;

/** Each of them in a text. */
export const unprintable = (): RegExp => new RegExp(UNPRINTABLE, "gu");

const NAME_HINT = "A name cannot hold control characters, nor be “.” or “..”";

/** A name as a person gives it. */
export const plainName = (longest: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(longest)
    .refine((text) => !unprintable().test(text) && text !== "." && text !== "..", NAME_HINT);

/** Words of several lines. */
export const plainText = (longest: number) =>
  z
    .string()
    .max(longest)
    .refine((text) => !unprintable().test(text.replaceAll(/[\t\r\n]/g, "")), "Control characters cannot stand here");

/** A name from elsewhere, which cannot be refused: what cannot be shown is left out. */
export function cleanName(text: string, otherwise: string): string {
  const clean = text.replace(unprintable(), "").trim();
  return clean === "" || clean === "." || clean === ".." ? otherwise : clean;
}

/** Devices of Windows, whatever ending stands behind them. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;

/** Why no file, folder or argument should be called so, though it can be shown; null: there is nothing against it. */
export function whyUnsafe(name: string): string | null {
  if (name.startsWith("-")) return "begins with a dash, as options of commands do";
  if (DEVICE.test(name)) return "is a device of Windows";
  if (/[. ]$/.test(name)) return "ends with a dot or a blank, which Windows leaves out";
  return null;
}

/** The nearest name that nothing is against. */
export function safeName(name: string): string {
  let end = name.length;
  while (name[end - 1] === "." || name[end - 1] === " ") end -= 1;
  let begin = 0;
  while (name[begin] === "-") begin += 1;
  const safe = name.slice(begin, Math.max(begin, end));
  if (safe === "") return "vm";
  return DEVICE.test(safe) ? `vm-${safe}` : safe;
}
