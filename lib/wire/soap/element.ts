/** One element of a SOAP message, names without their prefixes, and the ways to look into it. */

export interface Element {
  /** Local name. */
  readonly name: string;
  /** Namespace URI; empty: none. */
  readonly ns: string;
  /** Local name of its xsi:type; null: it has none. */
  readonly type: string | null;
  /** By local name, those without a namespace; null: none. */
  readonly attributes: Readonly<Record<string, string>> | null;
  readonly children: readonly Element[];
  /** Text directly inside of it. */
  readonly text: string;
}

/** The first child along the names. */
export function at(element: Element | undefined, ...names: string[]): Element | undefined {
  let here = element;
  for (const name of names) {
    if (here === undefined) return undefined;
    here = here.children.find((child) => child.name === name);
  }
  return here;
}

export function all(element: Element | undefined, name: string): readonly Element[] {
  return element === undefined ? [] : element.children.filter((child) => child.name === name);
}

/** Null: it is not there. */
export function textAt(element: Element | undefined, ...names: string[]): string | null {
  return at(element, ...names)?.text ?? null;
}

/** Null: not there, or no number that is exact. */
export function numberAt(element: Element | undefined, ...names: string[]): number | null {
  const text = textAt(element, ...names);
  if (text === null || text.trim() === "") return null;
  const value = Number(text);
  return Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value)) ? value : null;
}

export function flagAt(element: Element | undefined, ...names: string[]): boolean | null {
  const text = textAt(element, ...names);
  return text === null ? null : text === "true" || text === "1";
}
