/** A file in a datastore by plain HTTPS, any part of it. Source: "vSphere Datastore Browser", `/folder`. */
import type { ByteSource } from "#lib/disk/io.ts";
import { AppError } from "#lib/errors.ts";
import { BytePieces } from "#lib/wire/byte-pieces.ts";
import { readWindows } from "#lib/wire/read-windows.ts";
import { parsePath } from "./disk-files.ts";
import type { VimClient } from "./vim-client.ts";

const CALL_MS = 60_000;
const WINDOW = 8 * 1024 * 1024;
/** Windows held: reading goes forward, and one is fetched ahead. */
const KEPT = 4;

/** Null: the host does not let this user read it. `datacenter`: its path of names. */
export async function openFolderFile(
  client: VimClient,
  file: string,
  datacenter: string,
  signal?: AbortSignal,
): Promise<ByteSource | null> {
  const parsed = parsePath(file);
  if (parsed === null) return null;
  const path = `/folder/${parsed.path.split("/").map(encodeURIComponent).join("/")}?dcPath=${encodeURIComponent(datacenter)}&dsName=${encodeURIComponent(parsed.datastore)}`;
  const head = await client.peer.request({ method: "HEAD", path, headers: client.cookie, timeout: CALL_MS, signal });
  await head.text(1);
  const size = Number(head.header("content-length") ?? Number.NaN);
  if (head.status !== 200 || head.header("accept-ranges") !== "bytes" || !Number.isSafeInteger(size)) return null;
  const fetch = async (index: number): Promise<Buffer> => {
    const from = index * WINDOW;
    const to = Math.min(size, from + WINDOW) - 1;
    const response = await client.peer.request({
      method: "GET",
      path,
      headers: { ...client.cookie, range: `bytes=${from}-${to}` },
      timeout: CALL_MS,
      signal,
    });
    const parts = new BytePieces();
    for await (const chunk of response.body) {
      parts.add(chunk);
      if (parts.length > WINDOW) break;
    }
    if (response.status !== 206 || parts.length !== to - from + 1)
      throw new AppError(
        "unavailable",
        "host.protocol",
        `${client.name} answered with HTTP status ${response.status} for a part of ${file}.`,
      );
    return parts.bytes();
  };
  const windows = readWindows({ size, window: WINDOW, kept: KEPT, ahead: 1, fetch });
  return {
    size,
    async read(offset, into, stopped) {
      if (offset < 0 || offset + into.length > size)
        throw new AppError("unprocessable", "io.short-read", `${file} ends at ${size}.`);
      await windows.read(offset, into, stopped);
    },
    [Symbol.asyncDispose]: async () => windows.clear(),
  };
}
