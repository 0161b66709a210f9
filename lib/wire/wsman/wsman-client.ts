/** The operations of WS-Management on CIM classes: Enumerate with Pull, Get, Put, Invoke. Source: DSP0226 7, 8, 9. */
import { AppError } from "#lib/errors.ts";
import { inSlices } from "../slices.ts";
import { at, type Element, textAt } from "../soap/element.ts";
import { xml, type XmlText } from "../soap/xml-text.ts";
import { type CimInstance, type CimRef, readInstance, referenceText, resourceUri } from "./cim.ts";
import { WsmanConnection, type WsmanTarget } from "./connection.ts";
import { readFault, TIMED_OUT } from "./fault.ts";
import { NS, readBody, type Request, requestText } from "./message.ts";

const WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL";
/** Instances in one answer; a full one stays far below the largest envelope. */
const PAGE = 32;
/** So many answers of "not yet" are waited for. */
const PATIENCE = 20;
/** Instances that one question finds: a host with a thousand VMs has some ten thousand of a class. */
const MOST_INSTANCES = 500_000;
/** Characters of all answers to one question. */
const MOST_CHARACTERS = 256 * 1024 ** 2;

/** What a method takes: texts and numbers, embedded instances among them, references, and lists of these. */
export type MethodInput = Readonly<
  Record<string, string | number | boolean | CimRef | readonly (string | CimRef)[] | null>
>;

export class WsmanClient implements AsyncDisposable {
  readonly #connection: WsmanConnection;
  readonly #address: string;

  constructor(target: WsmanTarget) {
    this.#connection = new WsmanConnection(target);
    this.#address = `${target.tls === null ? "http" : "https"}://${target.host}:${target.port}/wsman`;
  }

  /** Address of this machine on the connection; null before the first answer. */
  get localAddress(): string | null {
    return this.#connection.localAddress;
  }

  /** The body of the answer. Throws WsmanFault, and what the connection throws. */
  async send(request: Request, signal?: AbortSignal): Promise<Element> {
    return (await this.#exchange(request, signal)).body;
  }

  async #exchange(
    request: Request,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly body: Element; readonly length: number }> {
    const { status, text } = await this.#connection.post(requestText(this.#address, request), signal);
    if (text === "") {
      throw new AppError("unavailable", "host.protocol", `The host answered ${status} and said nothing.`);
    }
    const body = await readBody(text, signal);
    const fault = readFault(body);
    if (fault !== null) throw fault;
    return { body, length: text.length };
  }

  /** Every instance that a WQL query finds. Throws WsmanFault. */
  query(namespace: string, wql: string, signal?: AbortSignal): AsyncIterable<CimInstance> {
    const filter = xml`<w:Filter Dialect="${WQL}">${wql}</w:Filter>`;
    return this.#enumerate(resourceUri(namespace, "*"), filter, signal);
  }

  async *#enumerate(resource: string, filter: XmlText, signal: AbortSignal | undefined): AsyncIterable<CimInstance> {
    const begun = await this.#exchange(
      {
        action: `${NS.enumeration}/Enumerate`,
        resource,
        body: xml`<n:Enumerate xmlns:n="${NS.enumeration}"><w:OptimizeEnumeration/><w:MaxElements>${PAGE}</w:MaxElements>${filter}</n:Enumerate>`,
      },
      signal,
    );
    let answer = at(begun.body, "EnumerateResponse");
    let waited = 0;
    let instances = 0;
    let characters = begun.length;
    for (;;) {
      const items = at(answer, "Items")?.children ?? [];
      instances += items.length;
      if (instances > MOST_INSTANCES || characters > MOST_CHARACTERS)
        throw new AppError("unavailable", "host.protocol", "The host's list of instances does not end.");
      for await (const instance of inSlices(instancesOf(items), signal)) yield instance;
      if (at(answer, "EndOfSequence") !== undefined) return;
      const context = textAt(answer, "EnumerationContext");
      if (context === null || context === "") return;
      try {
        const pulled = await this.#exchange(
          {
            action: `${NS.enumeration}/Pull`,
            resource,
            body: xml`<n:Pull xmlns:n="${NS.enumeration}"><n:EnumerationContext>${context}</n:EnumerationContext><n:MaxElements>${PAGE}</n:MaxElements></n:Pull>`,
          },
          signal,
        );
        answer = at(pulled.body, "PullResponse");
        characters += pulled.length;
        waited = 0;
      } catch (error) {
        waited += 1;
        if (waited > PATIENCE || !isTimeOut(error)) throw error;
        answer = { ...(answer as Element), children: answer?.children.filter((child) => child.name !== "Items") ?? [] };
      }
    }
  }

  async get(ref: CimRef, signal?: AbortSignal): Promise<CimInstance> {
    const body = await this.send(
      {
        action: `${NS.transfer}/Get`,
        resource: resourceUri(ref.namespace, ref.className),
        selectors: ref.keys,
        body: null,
      },
      signal,
    );
    const [instance] = body.children;
    if (instance === undefined)
      throw new AppError("unavailable", "host.protocol", `The host gave no ${ref.className}.`);
    return readInstance(instance);
  }

  /** The method's output, `ReturnValue` among it. Throws WsmanFault. */
  async invoke(ref: CimRef, method: string, input: MethodInput, signal?: AbortSignal): Promise<CimInstance> {
    const resource = resourceUri(ref.namespace, ref.className);
    const parts = Object.entries(input).flatMap(([name, value]) =>
      value === null
        ? []
        : (Array.isArray(value) ? value : [value]).map((each) =>
            parameter(name, each as string | number | boolean | CimRef),
          ),
    );
    const body = await this.send(
      {
        action: `${resource}/${method}`,
        resource,
        selectors: ref.keys,
        body: xml`<p:${method}_INPUT xmlns:p="${resource}">${parts}</p:${method}_INPUT>`,
      },
      signal,
    );
    const output = at(body, `${method}_OUTPUT`);
    if (output === undefined) throw new AppError("unavailable", "host.protocol", `The host did not answer ${method}.`);
    return readInstance(output);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection[Symbol.asyncDispose]();
  }
}

function* instancesOf(items: readonly Element[]): Generator<CimInstance> {
  for (const item of items) yield readInstance(item);
}

/** Names of methods and parameters are the host's own identifiers, written here and nowhere typed by a person. */
function parameter(name: string, value: string | number | boolean | CimRef): XmlText {
  const inside = typeof value === "object" ? referenceText(value) : xml`${value}`;
  return xml`<p:${name}>${inside}</p:${name}>`;
}

export function isTimeOut(error: unknown): boolean {
  return error instanceof Error && "number" in error && error.number === TIMED_OUT;
}
