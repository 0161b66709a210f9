/** Names that people and peers give to images and their files: readable as they are, on every system that may hold them. */

/**
 * What a name may not hold: control characters (C0, DEL, C1), line separators, and what turns the direction of the text
 * around it, so that `gpj.exe` reads as `exe.jpg`.
 */
const UNREADABLE = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\ufff9-\ufffb]/u;
const ALL_UNREADABLE = new RegExp(UNREADABLE.source, "gu");

/** Names of devices on Windows, alone or with any ending: opening such a file opens the device. */
const DEVICE = /^(?:con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:[.:].*)?$/iu;

/** Why a text cannot be a name, to follow “A name …”; null: it can. */
export function nameFault(name: string): string | null {
  if (!name.isWellFormed()) return "is not valid Unicode";
  if (/[/\\]/.test(name)) return "cannot hold slashes";
  if (UNREADABLE.test(name))
    return "cannot hold control characters, line breaks or characters that turn the text around";
  if (name === "." || name === "..") return "cannot be . or ..";
  if (DEVICE.test(name)) return "cannot be that of a device on Windows";
  return null;
}

/** The name without what a name cannot hold; empty when nothing is left, or only a name that means something else. */
export function cleanedName(name: string, most: number): string {
  const clean = name.toWellFormed().replaceAll(ALL_UNREADABLE, "").replaceAll(/[/\\]/g, "").trim();
  let short = "";
  for (const character of clean) {
    if (short.length + character.length > most) break;
    short += character;
  }
  short = short.trim();
  return nameFault(short) === null ? short : "";
}

/** For text that is shown and not a name: what cannot be read stands as �. */
export const readable = (text: string): string => text.toWellFormed().replaceAll(ALL_UNREADABLE, "\ufffd");

/** Equal for names that some file system takes for one: by letter case, and by how accents are written. */
export const foldedName = (name: string): string => name.normalize("NFC").toLowerCase().normalize("NFC");
