/** What a program on the host writes, as WinRS brings it: pieces in Base64, cut anywhere. Source: [MS-WSMV] 2.2.4.37. */
import { StringDecoder } from "node:string_decoder";
import { inSlices } from "../slices.ts";
import type { Element } from "../soap/element.ts";

/** Characters that are kept of each stream; programs that we run say little. */
const MOST_OUTPUT = 64 * 1024;

interface Kept {
  readonly decoder: StringDecoder;
  text: string;
}

const kept = (): Kept => ({ decoder: new StringDecoder("utf8"), text: "" });

export class ProgramOutput {
  readonly #onOutput: (text: string) => void;
  readonly #streams = { stdout: kept(), stderr: kept() };

  constructor(onOutput: (text: string) => void) {
    this.#onOutput = onOutput;
  }

  /** An answer may hold some hundred thousand empty ones. */
  async take(streams: readonly Element[], signal?: AbortSignal): Promise<void> {
    for await (const { attributes, text } of inSlices(streams, signal)) {
      const stream = this.#streams[attributes?.["Name"] === "stderr" ? "stderr" : "stdout"];
      this.#keep(stream, stream.decoder.write(Buffer.from(text, "base64")));
    }
  }

  #keep(stream: Kept, piece: string): void {
    if (piece === "") return;
    this.#onOutput(piece);
    stream.text += piece.slice(0, MOST_OUTPUT - stream.text.length);
  }

  end(): { readonly stdout: string; readonly stderr: string } {
    for (const stream of Object.values(this.#streams)) this.#keep(stream, stream.decoder.end());
    return { stdout: this.#streams.stdout.text, stderr: this.#streams.stderr.text };
  }
}
