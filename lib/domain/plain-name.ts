/** Names and words that mean what they show, on every terminal, page and system that may hold them. */
import { z } from "zod";

/**
 * What a name may not hold: control characters (C0, DEL, C1), line separators, lone surrogates, and what turns the
 * direction of the text around it, so that `gpj.exe` reads as `exe.jpg`.
 */
const UNPRINTABLE = String.raw`[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\ufff9-\ufffb]|\p{Cs}`;

/** Each of them in a text. */
export const unprintable = (): RegExp => new RegExp(UNPRINTABLE, "gu");

/** Names of devices on Windows, alone or with any ending: opening such a file opens the device. */
const DEVICE = /^(?:con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:[.:].*)?$/iu;

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

/** Why a text cannot be the name of an image or a file, to follow “A name …”; null: it can. */
export function nameFault(name: string): string | null {
  if (!name.isWellFormed()) return "is not valid Unicode";
  if (/[/\\]/.test(name)) return "cannot hold slashes";
  if (unprintable().test(name))
    return "cannot hold control characters, line breaks or characters that turn the text around";
  if (name === "." || name === "..") return "cannot be . or ..";
  if (DEVICE.test(name)) return "cannot be that of a device on Windows";
  return null;
}

/** A name for an image or a file without what such a name cannot hold; empty when nothing is left, or only a name that means something else. */
export function cleanedName(name: string, most: number): string {
  const clean = name.replace(unprintable(), "").replaceAll(/[/\\]/g, "").trim();
  let short = "";
  for (const character of clean) {
    if (short.length + character.length > most) break;
    short += character;
  }
  short = short.trim();
  return nameFault(short) === null ? short : "";
}

/** A name from elsewhere, which cannot be refused: what cannot be shown is left out. */
export function cleanName(text: string, otherwise: string): string {
  const clean = text.replace(unprintable(), "").trim();
  return clean === "" || clean === "." || clean === ".." ? otherwise : clean;
}

/** For text that is shown and not a name: what cannot be read stands as �. */
export const readable = (text: string): string => text.replace(unprintable(), "\ufffd");

/** Equal for names that some file system takes for one: by letter case, and by how accents are written. */
export const foldedName = (name: string): string => name.normalize("NFC").toLowerCase().normalize("NFC");

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
