/** What a peer's XML may ask of this process. No real reply comes near; beyond them a reply is refused. */
export interface XmlLimits {
  /** Characters of one tag. */
  readonly tag: number;
  /** Attributes of one element, namespace declarations among them. */
  readonly attributes: number;
  readonly depth: number;
  /** Elements held at once: one wanted element, or the rest of the reply. */
  readonly elements: number;
  /** Characters of text and attributes held at once. */
  readonly characters: number;
}

export const XML_LIMITS: XmlLimits = {
  tag: 1024 ** 2,
  attributes: 512,
  depth: 256,
  elements: 1_000_000,
  characters: 64 * 1024 ** 2,
};
