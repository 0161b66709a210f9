/** LVM's way of writing configuration: `name { … }`, `name = 1`, `name = "text"`, `name = ["a", 1]`. */
export type LvmValue = number | string | readonly (number | string)[] | LvmSection;
export type LvmSection = Map<string, LvmValue>;

const DEEPEST = 16;
const TOKEN = /\s+|#[^\n]*|"((?:[^"\\]|\\.)*)"|(-?\d+)(?![\w.])|([\w.+-]+)|([{}=[\],])/y;

interface Token {
  readonly mark: string | null;
  readonly value: number | string;
}

/** Null: it is not written like that. */
function tokensOf(text: string): Token[] | null {
  const tokens: Token[] = [];
  const pattern = new RegExp(TOKEN);
  // The text ends with a zero byte.
  const zero = text.indexOf("\0");
  for (const end = zero < 0 ? text.length : zero; pattern.lastIndex < end; ) {
    const match = pattern.exec(text);
    if (match === null) return null;
    const [, quoted, number, word, mark] = match;
    if (quoted !== undefined) tokens.push({ mark: null, value: quoted.replaceAll(/\\(.)/g, "$1") });
    else if (number !== undefined) tokens.push({ mark: null, value: Number(number) });
    else if (word !== undefined) tokens.push({ mark: null, value: word });
    else if (mark !== undefined) tokens.push({ mark, value: mark });
  }
  return tokens;
}

export function parseLvmText(text: string): LvmSection | null {
  const tokens = tokensOf(text);
  if (tokens === null) return null;
  const root: LvmSection = new Map();
  const open: LvmSection[] = [root];
  for (let at = 0; at < tokens.length; ) {
    const here = open.at(-1);
    const token = tokens[at];
    if (here === undefined || token === undefined) return null;
    if (token.mark === "}") {
      open.pop();
      at += 1;
      continue;
    }
    const after = tokens[at + 1]?.mark;
    if (token.mark !== null) return null;
    if (after === "{") {
      if (open.length > DEEPEST) return null;
      const inner: LvmSection = new Map();
      here.set(String(token.value), inner);
      open.push(inner);
      at += 2;
      continue;
    }
    const first = tokens[at + 2];
    if (after !== "=" || first === undefined) return null;
    if (first.mark === null) {
      here.set(String(token.value), first.value);
      at += 3;
      continue;
    }
    if (first.mark !== "[") return null;
    const list: (number | string)[] = [];
    for (at += 3; tokens[at] !== undefined && tokens[at]?.mark !== "]"; at += 1) {
      const item = tokens[at];
      if (item?.mark === null) list.push(item.value);
      else if (item?.mark !== ",") return null;
    }
    here.set(String(token.value), list);
    at += 1;
  }
  return open.length === 1 ? root : null;
}
