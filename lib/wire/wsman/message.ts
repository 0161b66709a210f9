/** SOAP 1.2 messages of WS-Management. Source: DSP0226, [MS-WSMV] 2.2.4. */
import { randomUUID } from "node:crypto";
import { AppError } from "#lib/errors.ts";
import { at, type Element } from "../soap/element.ts";
import { parseXmlInSlices } from "../soap/xml-reader.ts";
import { xml, type XmlText } from "../soap/xml-text.ts";
import { selectorSet } from "./cim.ts";

export const NS = {
  soap: "http://www.w3.org/2003/05/soap-envelope",
  addressing: "http://schemas.xmlsoap.org/ws/2004/08/addressing",
  wsman: "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
  enumeration: "http://schemas.xmlsoap.org/ws/2004/09/enumeration",
  transfer: "http://schemas.xmlsoap.org/ws/2004/09/transfer",
  shell: "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
} as const;

export interface Request {
  readonly action: string;
  readonly resource: string;
  readonly selectors?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
  readonly body: XmlText | null;
  /** Seconds that the host may take; then it answers that it needs more time. */
  readonly timeout?: number;
}

/** What WinRM allows by default. Bytes. */
const MAX_ENVELOPE = 512_000;

export function requestText(address: string, request: Request): string {
  const { action, resource, selectors = {}, options = {}, body, timeout = 60 } = request;
  const names = Object.keys(options);
  const optionSet =
    names.length === 0
      ? null
      : xml`<w:OptionSet>${names.map((name) => xml`<w:Option Name="${name}">${options[name] ?? ""}</w:Option>`)}</w:OptionSet>`;
  return xml`<s:Envelope xmlns:s="${NS.soap}" xmlns:a="${NS.addressing}" xmlns:w="${NS.wsman}"><s:Header><a:To>${address}</a:To><w:ResourceURI s:mustUnderstand="true">${resource}</w:ResourceURI><a:ReplyTo><a:Address s:mustUnderstand="true">${NS.addressing}/role/anonymous</a:Address></a:ReplyTo><a:Action s:mustUnderstand="true">${action}</a:Action><w:MaxEnvelopeSize s:mustUnderstand="true">${MAX_ENVELOPE}</w:MaxEnvelopeSize><a:MessageID>uuid:${randomUUID()}</a:MessageID><w:Locale xml:lang="en-US" s:mustUnderstand="false"/>${selectorSet(selectors)}${optionSet}<w:OperationTimeout>PT${timeout}S</w:OperationTimeout></s:Header><s:Body>${body}</s:Body></s:Envelope>`
    .text;
}

/** The body of an answer, a fault among them. Throws `host.protocol`. */
export async function readBody(text: string, signal?: AbortSignal): Promise<Element> {
  const root = await parseXmlInSlices(text, { signal });
  const body = at(root, "Body");
  if (root.name !== "Envelope" || body === undefined) {
    throw new AppError("unavailable", "host.protocol", "The host's answer is no SOAP envelope.");
  }
  return body;
}
