/** SOAP 1.1 envelopes. Source: "Simple Object Access Protocol 1.1", sections 4 and 6. */
import { at, textAt, type Element } from "./element.ts";
import { xml, type XmlText } from "./xml-text.ts";

const SOAP = "http://schemas.xmlsoap.org/soap/envelope/";

export function envelope(body: XmlText): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${
    xml`<soapenv:Envelope xmlns:soapenv="${SOAP}" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>${body}</soapenv:Body></soapenv:Envelope>`
      .text
  }`;
}

/** What stands in the body: the reply or a `Fault`; null when it is no envelope. */
export function bodyOf(root: Element): Element | null {
  if (root.name !== "Envelope" || root.ns !== SOAP) return null;
  return at(root, "Body")?.children[0] ?? null;
}

export interface SoapFault {
  /** The peer's own words, often empty. */
  readonly words: string;
  /** The one element of the detail, which names the kind of fault by its xsi:type. */
  readonly detail: Element | null;
}

/** Null: the element is no fault. */
export function faultOf(body: Element): SoapFault | null {
  if (body.name !== "Fault" || body.ns !== SOAP) return null;
  return { words: textAt(body, "faultstring")?.trim() ?? "", detail: at(body, "detail")?.children[0] ?? null };
}
