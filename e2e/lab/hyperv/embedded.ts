/** Instances inside of texts, as strict as the real host's reading of them. */
import { parseXml } from "#lib/wire/soap/xml-reader.ts";
import { type EmbeddedInstance, readEmbedded } from "#lib/wire/wsman/embedded.ts";
import { CLASSES, type ClassName } from "./classes.ts";
import type { MethodArguments } from "./enumerations.ts";
import { Refusal } from "./jobs.ts";

const INVALID_PARAMETER = 32773;
const OTHER_TYPE = 32776;

export function embedded(input: MethodArguments, name: string): EmbeddedInstance[] {
  return (input.get(name) ?? []).map((text) => {
    // As a real host does, seen by the authors of go-wsman: numbered references only.
    if (typeof text === "string" && /&(?:amp|quot|apos|gt);/.test(text)) throw new Refusal(32768, "It failed.");
    if (typeof text === "string" && text.includes("&lt;")) throw new Refusal(INVALID_PARAMETER, "It is no instance.");
    const found = typeof text === "string" ? readEmbedded(text) : null;
    if (found === null) throw new Refusal(INVALID_PARAMETER, `${name} holds no instance.`);
    requireTypes(String(text));
    return found;
  });
}

/** Each property is one of the class, and of the type that the class declares. */
function requireTypes(text: string): void {
  const root = parseXml(text);
  const className = root.attributes?.["CLASSNAME"] ?? "";
  if (!(className in CLASSES)) throw new Refusal(INVALID_PARAMETER, `There is no class ${className}.`);
  const declared: Readonly<Record<string, string>> = CLASSES[className as ClassName].properties;
  for (const property of root.children) {
    const name = property.attributes?.["NAME"] ?? "";
    const type = `${property.attributes?.["TYPE"] ?? ""}${property.name === "PROPERTY.ARRAY" ? "[]" : ""}`;
    const wanted = declared[name];
    if (wanted === undefined) throw new Refusal(INVALID_PARAMETER, `${className} has no property ${name}.`);
    if (type !== wanted) throw new Refusal(OTHER_TYPE, `${className}.${name} is a ${wanted}, not a ${type}.`);
  }
}
