/** A disk that passes by once: exports of hosts that cannot seek (NFC, XAPI), packed files, pipes. */

/** Bytes of the disk at `offset`. Valid until the next piece is asked for: whoever keeps them copies them. */
export interface DiskPiece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface DiskStream extends AsyncDisposable {
  /** Virtual size in bytes. */
  readonly size: number;
  /** `forward`: offsets never go back. `unordered`: in the order of the file, e.g. blocks of a VHDX. */
  readonly order: "forward" | "unordered";
  /** Each byte of the disk at most once; what never comes reads as zeros. Can be asked for once only. */
  pieces(signal?: AbortSignal): AsyncIterable<DiskPiece>;
}
