/**
 * Refuses passwords that are long and yet guessed soon: common words, sequences, repeats, years, and the person's own
 * words, in any mixture. What is left after those is what counts (NIST SP 800-63B, 5.1.1.2: length and a list of what
 * attackers try first, and no rules about kinds of characters).
 */
import { AppError } from "#lib/errors.ts";
import { COMMON_WORDS } from "./common-words.ts";

/** Guesses, as a power of two, that a password must be worth: beyond what a slowed sign-in or a stolen hash gives away soon. */
const NEEDED_BITS = 38;
const OWN_WORD_BITS = 2;
const COMMON_WORD_BITS = 9;
const SEQUENCE_BITS = 6;
const YEAR_BITS = 6;
/** Written otherwise than usual: capitals, digits for letters. */
const VARIED_BITS = 1;

const ROWS = [
  "abcdefghijklmnopqrstuvwxyz",
  "01234567890",
  "qwertyuiop",
  "asdfghjkl",
  "zxcvbnm",
  "qwertzuiop",
  "azertyuiop",
  "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
  "qazwsxedcrfvtgbyhnujmikolp",
  "!@#$%^&*()",
].flatMap((row) => [row, [...row].reverse().join("")]);

const PLAIN: Readonly<Record<string, string>> = {
  "0": "o",
  "1": "i",
  "3": "e",
  "4": "a",
  "5": "s",
  "7": "t",
  "8": "b",
  "9": "g",
  "@": "a",
  $: "s",
  "!": "i",
  "|": "l",
  "+": "t",
  "(": "c",
};

interface Step {
  readonly from: number;
  readonly to: number;
  readonly bits: number;
}

/** Throws `password.too-weak`. `own`: the person's email and name. */
export function requireStrongPassword(password: string, own: readonly string[]): void {
  if (passwordBits(password, own) >= NEEDED_BITS) return;
  throw new AppError(
    "invalid",
    "password.too-weak",
    "This password is easy to guess: it is made of common words, sequences, repetitions, or the person's own name.",
    { hint: "Take a sentence, or four words that have nothing to do with one another." },
  );
}

/** What is looked at, from either end: the work must not grow with what anybody sends. */
const MOST_CHARACTERS = 64;
const LONGEST_WORD = 24;
const LONGEST_REPEAT = 16;

/** The cheapest way to put the password together, in bits; of a very long one, its better end. */
export function passwordBits(password: string, own: readonly string[]): number {
  const text = password.normalize("NFKC");
  const personal = new Set(
    ["supravisor", ...own.flatMap((each) => each.toLowerCase().split(/[^\p{L}\p{N}]+/u))].filter(
      (word) => word.length > 2,
    ),
  );
  return Math.max(
    ...[text.slice(0, MOST_CHARACTERS), text.slice(-MOST_CHARACTERS)].map((end) => bitsOf(end, personal, true)),
  );
}

function bitsOf(text: string, personal: ReadonlySet<string>, withRepeats: boolean): number {
  const steps = [
    ...words(text, personal),
    ...sequences(text),
    ...years(text),
    ...(withRepeats ? repeats(text, personal) : []),
  ];
  const best: number[] = [0];
  for (let to = 1; to <= text.length; to += 1) {
    let bits = (best[to - 1] ?? 0) + bitsOfCharacter(text, to - 1);
    for (const step of steps) if (step.to === to) bits = Math.min(bits, (best[step.from] ?? 0) + step.bits);
    best.push(bits);
  }
  return best[text.length] ?? 0;
}

/** Alone a character is worth its alphabet; the same one again is worth next to nothing. */
function bitsOfCharacter(text: string, at: number): number {
  const character = text[at] ?? "";
  if (character === text[at - 1]) return 1;
  if (/[\s\-_.,!?]/.test(character)) return 2;
  return /[0-9]/.test(character) ? 3.3 : /[a-z]/i.test(character) ? 4.7 : 5;
}

function words(text: string, personal: ReadonlySet<string>): Step[] {
  const lower = text.toLowerCase();
  const plain = [...lower].map((character) => PLAIN[character] ?? character).join("");
  const steps: Step[] = [];
  for (let from = 0; from < text.length; from += 1) {
    for (let to = from + 3; to <= Math.min(text.length, from + LONGEST_WORD); to += 1) {
      for (const [candidate, extra] of [
        [lower, 0],
        [plain, VARIED_BITS],
      ] as const) {
        const word = candidate.slice(from, to);
        const bits = personal.has(word) ? OWN_WORD_BITS : COMMON_WORDS.has(word) ? COMMON_WORD_BITS : null;
        if (bits !== null)
          steps.push({ from, to, bits: bits + extra + (/[A-Z]/.test(text.slice(from, to)) ? VARIED_BITS : 0) });
      }
    }
  }
  return steps;
}

/** Neighbours of an alphabet or a keyboard, forwards and backwards: at least four. */
function sequences(text: string): Step[] {
  const lower = text.toLowerCase();
  const steps: Step[] = [];
  for (let from = 0; from + 4 <= lower.length; from += 1) {
    for (let to = from + 4; to <= lower.length; to += 1) {
      const part = lower.slice(from, to);
      if (!ROWS.some((row) => row.includes(part))) break;
      steps.push({ from, to, bits: SEQUENCE_BITS });
    }
  }
  return steps;
}

/** A part that comes again at once costs what it costs once, and its count. */
function repeats(text: string, personal: ReadonlySet<string>): Step[] {
  const steps: Step[] = [];
  const costs = new Map<string, number>();
  for (let from = 0; from < text.length; from += 1) {
    for (let length = 1; length <= LONGEST_REPEAT && from + 2 * length <= text.length; length += 1) {
      const part = text.slice(from, from + length);
      const once = costs.get(part) ?? bitsOf(part, personal, false);
      costs.set(part, once);
      for (let times = 2; text.startsWith(part, from + (times - 1) * length); times += 1)
        steps.push({ from, to: from + times * length, bits: once + Math.log2(times) });
    }
  }
  return steps;
}

function years(text: string): Step[] {
  return [...text.matchAll(/(?:19|20)\d\d/g)].map(({ index }) => ({ from: index, to: index + 4, bits: YEAR_BITS }));
}
