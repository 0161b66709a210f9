/** Work that takes its time and must not be cut. Begun with the suite, judged at its end. */
import { createHash, randomBytes } from "node:crypto";
import { get } from "node:http";
import { ask } from "../bench/ask.ts";
import type { Bench } from "../bench/bench.ts";
import { open } from "../bench/wire.ts";

/** Bytes a second: twice the pace below which an upload is given up. */
const SLOW_PIECE = 2048;

export async function patience(bench: Bench): Promise<() => Promise<void>> {
  const person = await bench.newPerson("operator");
  const seconds = bench.short ? 45 : 100;
  const uploads = slowUpload(bench, person.token, seconds);
  const download = slowDownload(bench, person, seconds);
  const events = longStream(bench, person.token);
  return async () => {
    const row = bench.tally.row("legitimate", "slow but alive");
    row.check(await uploads, "an upload of 2 KiB a second was cut");
    row.check(await download, "a download whose reader is slow was cut or wrong");
    row.check(await events(), "an event stream that somebody listens to was cut");
  };
}

async function slowUpload(bench: Bench, token: string, seconds: number): Promise<boolean> {
  const metadata = `filename ${Buffer.from("slow.raw").toString("base64")},from ${Buffer.from("raw").toString("base64")}`;
  const begun = await ask(bench.url, "POST", "/api/v1/uploads", {
    headers: {
      authorization: `Bearer ${token}`,
      "tus-resumable": "1.0.0",
      "upload-length": String(seconds * SLOW_PIECE),
      "upload-metadata": metadata,
    },
  });
  const socket = await open(bench.url);
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.write(
    `PATCH ${begun.headers.location ?? ""} HTTP/1.1\r\nHost: ${new URL(bench.url).host}\r\nAuthorization: Bearer ${token}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: ${seconds * SLOW_PIECE}\r\n\r\n`,
  );
  for (let n = 0; n < seconds && !socket.destroyed; n += 1) {
    socket.write("x".repeat(SLOW_PIECE));
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  for (let n = 0; n < 60 && text === "" && !socket.destroyed; n += 1)
    await new Promise((resolve) => setTimeout(resolve, 500));
  socket.destroy();
  return text.startsWith("HTTP/1.1 204");
}

async function slowDownload(bench: Bench, person: Parameters<Bench["upload"]>[0], seconds: number): Promise<boolean> {
  const bytes = randomBytes(24 * 1024 * 1024);
  const id = await bench.upload(person, "slow-download.raw", bytes, { from: "raw" });
  const { latest } = await bench.settledImage(id);
  const path = `/api/v1/images/${id}/versions/${latest.id}/disks/${latest.disks[0]?.id ?? ""}/file`;
  const hash = createHash("sha256");
  const pause = (seconds * 1000) / (bytes.length / (1024 * 1024));
  return new Promise((resolve) => {
    const request = get(
      `${bench.url}${path}`,
      { headers: { authorization: `Bearer ${person.token}` }, agent: false },
      (response) => {
        void (async () => {
          let taken = 0;
          for await (const chunk of response as AsyncIterable<Buffer>) {
            hash.update(chunk);
            taken += chunk.length;
            if (taken >= 1024 * 1024) {
              taken -= 1024 * 1024;
              await new Promise((next) => setTimeout(next, pause));
            }
          }
          resolve(hash.digest("hex") === createHash("sha256").update(bytes).digest("hex"));
        })().catch(() => resolve(false));
      },
    );
    request.on("error", () => resolve(false));
  });
}

function longStream(bench: Bench, token: string): () => Promise<boolean> {
  let heard = "";
  let ended = false;
  const request = get(
    `${bench.url}/api/v1/events`,
    { headers: { authorization: `Bearer ${token}` }, agent: false },
    (response) => {
      response.on("data", (chunk: Buffer) => (heard += chunk.toString("utf8")));
      response.on("close", () => (ended = true));
      response.on("error", () => (ended = true));
    },
  );
  request.on("error", () => (ended = true));
  return async () => {
    const right = !ended && heard.includes("event: hello");
    request.destroy();
    return right;
  };
}
