/** What the PropertyCollector tells of objects. Source: "vSphere Web Services API", PropertyCollector. */
import { AppError } from "#lib/errors.ts";
import { all, at, textAt, type Element } from "#lib/wire/soap/element.ts";
import { xml, type XmlText } from "#lib/wire/soap/xml-text.ts";
import { ref, refOf, refXml, type Ref } from "./ref.ts";
import { isFault, vimFault } from "./vim-fault.ts";
import type { CallOptions, VimClient } from "./vim-client.ts";

/** Values by their paths; those that are not set are left out. */
export interface ObjectValues {
  readonly ref: Ref;
  readonly values: ReadonlyMap<string, Element>;
}

export interface TypePaths {
  readonly type: string;
  readonly paths: readonly string[];
}

export function propSets(types: readonly TypePaths[]): readonly XmlText[] {
  return types.map(
    ({ type, paths }) =>
      xml`<propSet><type>${type}</type>${paths.map((path) => xml`<pathSet>${path}</pathSet>`)}</propSet>`,
  );
}

/** A PropertyFilterSpec over all objects in a container view. */
export function viewSpec(element: string, types: readonly TypePaths[], view: Ref): XmlText {
  const inner = xml`${propSets(types)}<objectSet>${refXml("obj", view)}<skip>true</skip><selectSet xsi:type="TraversalSpec"><name>view</name><type>ContainerView</type><path>view</path><skip>false</skip></selectSet></objectSet>`;
  return element === "spec" ? xml`<spec>${inner}</spec>` : xml`<specSet>${inner}</specSet>`;
}

/** Of an ObjectContent. Throws the fault when nobody is signed in; properties that this user may not see are left out. */
function objectValues(content: Element): ObjectValues {
  const values = new Map<string, Element>();
  for (const prop of all(content, "propSet")) {
    const value = at(prop, "val");
    if (value !== undefined) values.set(textAt(prop, "name") ?? "", value);
  }
  for (const missing of all(content, "missingSet")) {
    const fault = at(missing, "fault", "fault");
    // Some hosts say only of each property that nobody is signed in.
    if (fault?.type === "NotAuthenticated") throw vimFault(fault, textAt(missing, "fault", "localizedMessage") ?? "");
  }
  return { ref: refOf(at(content, "obj")) ?? ref("", ""), values };
}

async function* page(
  client: VimClient,
  method: string,
  args: XmlText,
  options: CallOptions,
): AsyncGenerator<ObjectValues, Element> {
  const stream = client.stream(method, client.service("propertyCollector"), args, ["objects"], options);
  for (;;) {
    const next = await stream.next();
    if (next.done === true) return next.value;
    yield objectValues(next.value);
  }
}

/** A host puts a hundred objects and more on one. */
const MOST_PAGES = 10_000;

export function endless(name: string): AppError {
  return new AppError("unavailable", "host.protocol", `The list of objects that ${name} tells does not end.`, {
    hint: "Look at the host's own log.",
  });
}

async function* pages(client: VimClient, specs: XmlText, options: CallOptions): AsyncGenerator<ObjectValues> {
  let rest = yield* page(client, "RetrievePropertiesEx", xml`${specs}<options/>`, options);
  for (let count = 1; ; count += 1) {
    const token = textAt(rest, "returnval", "token");
    if (token === null) return;
    if (count > MOST_PAGES) throw endless(client.name);
    rest = yield* page(client, "ContinueRetrievePropertiesEx", xml`<token>${token}</token>`, options);
  }
}

/** By `specSet`s of the caller's, page by page, each object as it comes. */
export async function* retrieveBy(
  client: VimClient,
  specs: XmlText,
  options: CallOptions = {},
): AsyncGenerator<ObjectValues> {
  const { generation } = client;
  let begun = false;
  try {
    for await (const object of pages(client, specs, options)) {
      begun = true;
      yield object;
    }
    return;
  } catch (error) {
    if (!isFault(error, "NotAuthenticated") || begun) throw error;
  }
  await client.renew(generation, options.signal);
  yield* pages(client, specs, options);
}

export async function* retrieve(
  client: VimClient,
  types: readonly TypePaths[],
  objects: readonly Ref[],
  options: CallOptions = {},
): AsyncGenerator<ObjectValues> {
  if (objects.length === 0) return;
  const set = objects.map((each) => xml`<objectSet>${refXml("obj", each)}</objectSet>`);
  yield* retrieveBy(client, xml`<specSet>${propSets(types)}${set}</specSet>`, options);
}

/** Properties of one object. Throws VimFault `ManagedObjectNotFound`. */
export async function propertiesOf(
  client: VimClient,
  self: Ref,
  paths: readonly string[],
  options: CallOptions = {},
): Promise<ReadonlyMap<string, Element>> {
  for await (const object of retrieve(client, [{ type: self.type, paths }], [self], options)) return object.values;
  return new Map();
}
