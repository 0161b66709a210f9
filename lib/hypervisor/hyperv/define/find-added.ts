/** What a method has added, when its answer names a job and not what the job makes. */
import { type CimInstance, type CimRef, text, texts } from "#lib/wire/wsman/cim.ts";
import { readObjectPath } from "#lib/wire/wsman/object-path.ts";
import { V2 } from "../session.ts";
import type { SettingClassName, SettingValues } from "../setting.ts";

/** What tells one resource from another. */
const TELLING = ["ResourceSubType", "Parent", "AddressOnParent", "VirtualSystemIdentifiers"] as const;

/** The host may write a path otherwise than it was given one: the key in it says which object is meant. */
const plain = (value: string): string => (readObjectPath(value)?.keys["InstanceID"] ?? value).toLowerCase();

/** The one of `found` that is as `wanted` says and not among those `known` by InstanceID; null: none, or more than one. */
export function findAdded<Name extends SettingClassName>(
  className: Name,
  wanted: SettingValues<Name>,
  found: readonly CimInstance[],
  known: ReadonlySet<string>,
): CimRef | null {
  const asked: Readonly<Record<string, unknown>> = wanted;
  const fits = (each: CimInstance): boolean =>
    TELLING.every((property) => {
      const value = asked[property];
      if (value === undefined || value === null) return true;
      const list = (Array.isArray(value) ? value : [value]).map((item) => plain(String(item)));
      return texts(each, property).map(plain).join("\n") === list.join("\n");
    });
  const ids = found
    .filter(fits)
    .flatMap((each) => text(each, "InstanceID") ?? [])
    .filter((id) => !known.has(id));
  const [id] = ids;
  return id === undefined || ids.length > 1 ? null : { namespace: V2, className, keys: { InstanceID: id } };
}
