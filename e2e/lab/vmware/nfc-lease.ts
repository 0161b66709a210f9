/** A lease of the network file copy as vSphere describes it: its state, its time-out, its files. */
import { randomUUID } from "node:crypto";
import { xml, XmlText } from "#lib/wire/soap/xml-text.ts";
import type { Moref } from "./backend.ts";

export interface LeaseFile {
  /** `/vm-42/VirtualLsiLogicController0:0` */
  readonly key: string;
  readonly importKey: string;
  readonly targetId: string;
  readonly isDisk: boolean;
  /** Absolute path of the raw file that holds the disk's bytes, or of the other file itself. */
  readonly path: string;
  /** Bytes of the disk; of other files 0. */
  readonly capacity: number;
  /** An import's file is here whole. */
  arrived: boolean;
}

type State = "initializing" | "ready" | "done" | "error";

/** Who takes or gives the files, as the lease's addresses name it. */
export interface LeaseHost {
  /** `*`: whoever the client speaks to. */
  readonly address: string;
  readonly thumbprint: string;
}

export interface LeaseError {
  readonly fault: string;
  readonly words: string;
}

export class NfcLease {
  readonly id = `nfc-${randomUUID()}`;
  readonly kind: "import" | "export";
  readonly vm: Moref;
  /** The client's session: the lease ends with it. */
  readonly cookie: string;
  readonly files: readonly LeaseFile[];
  readonly timeoutMs: number;
  state: State = "initializing";
  error: LeaseError | null = null;
  percent = 0;
  #touched = Date.now();

  constructor(options: {
    kind: "import" | "export";
    vm: Moref;
    cookie: string;
    files: readonly LeaseFile[];
    timeoutMs: number;
  }) {
    this.kind = options.kind;
    this.vm = options.vm;
    this.cookie = options.cookie;
    this.files = options.files;
    this.timeoutMs = options.timeoutMs;
  }

  progress(percent: number): void {
    this.percent = percent;
    this.#touched = Date.now();
  }

  /** Only HttpNfcLeaseProgress keeps a lease alive; bytes do not. */
  get overdue(): boolean {
    return this.state === "ready" && Date.now() - this.#touched > this.timeoutMs;
  }

  fail(fault: string, words: string): void {
    if (this.state === "done" || this.state === "error") return;
    this.state = "error";
    this.error = { fault, words };
  }

  /** The value of a property with its xsi:type; null while it is not set. */
  value(path: string, from: LeaseHost): XmlText | null {
    switch (path) {
      case "state":
        return typed("HttpNfcLeaseState", xml`${this.state}`);
      case "initializeProgress":
        return typed("xsd:int", xml`${this.state === "initializing" ? 10 : 100}`);
      case "transferProgress":
        return typed("xsd:int", xml`${this.percent}`);
      case "error":
        return this.error === null
          ? null
          : typed(
              "LocalizedMethodFault",
              xml`${new XmlText(`<fault xsi:type="${this.error.fault}"/>`)}<localizedMessage>${this.error.words}</localizedMessage>`,
            );
      case "info":
        return this.state === "initializing" ? null : typed("HttpNfcLeaseInfo", this.#info(from));
      default:
        return null;
    }
  }

  #info({ address, thumbprint }: LeaseHost): XmlText {
    const total = this.files.reduce((sum, file) => sum + file.capacity, 0);
    const urls = this.files.map(
      (file, index) =>
        xml`<deviceUrl><key>${file.key}</key><importKey>${file.importKey}</importKey><url>${`https://${address}/nfc/${this.id}/${index}/${file.targetId}`}</url><sslThumbprint>${thumbprint}</sslThumbprint><disk>${file.isDisk}</disk>${this.kind === "export" ? xml`<targetId>${file.targetId}</targetId>` : null}</deviceUrl>`,
    );
    return xml`<lease type="HttpNfcLease">${this.id}</lease><entity type="${this.vm.type}">${this.vm.id}</entity>${urls}<totalDiskCapacityInKB>${Math.ceil(total / 1024)}</totalDiskCapacityInKB><leaseTimeout>${Math.ceil(this.timeoutMs / 1000)}</leaseTimeout>`;
  }
}

/** `xsi:type` and content, to be put into an element of the caller's. */
function typed(type: string, content: XmlText): XmlText {
  return new XmlText(` xsi:type="${type}">${content.text}`);
}
