import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { Command } from "commander";
import { Upload } from "tus-js-client";
import { z } from "zod";
import { Image, ImageDetail } from "#lib/domain/image.ts";
import { AppError } from "#lib/errors.ts";
import { remoteApi, type RemoteApi } from "../remote/api.ts";
import { waitForJob } from "../remote/wait-job.ts";
import { interruptSignal } from "../terminal/interrupt.ts";
import { UsageError } from "../terminal/print-error.ts";
import { progressBar } from "../terminal/progress-bar.ts";
import { parseSourceFormat } from "./convert.ts";
import { printJson, printLine } from "../terminal/output.ts";

/** Uploads one file resumably; a lost connection is taken up again from the last byte the server has. */
async function upload(
  api: RemoteApi,
  path: string,
  size: number,
  metadata: Record<string, string>,
  signal: AbortSignal,
): Promise<string> {
  const bar = progressBar(`Uploading ${basename(path)}`);
  try {
    return await new Promise<string>((resolve, reject) => {
      let imageId: string | null = null;
      const task = new Upload(createReadStream(path), {
        endpoint: new URL("/api/v1/uploads", api.url).href,
        headers: { authorization: `Bearer ${api.token}` },
        metadata,
        uploadSize: size,
        chunkSize: 64 * 1024 * 1024,
        retryDelays: [0, 1000, 3000, 10_000, 30_000],
        onProgress: (done, total) => bar.update({ done, total: total ?? size }),
        onAfterResponse: (_request, response) => {
          imageId = response.getHeader("Supravisor-Image") ?? imageId;
        },
        onSuccess: () =>
          imageId === null
            ? reject(
                new AppError("internal", "upload.no-image", "The upload ended, but the console named no image for it."),
              )
            : resolve(imageId),
        onError: (cause) =>
          reject(
            new AppError("unavailable", "upload.failed", `The upload of ${basename(path)} failed: ${cause.message}`, {
              hint: "Run the command again.",
              cause,
            }),
          ),
      });
      signal.addEventListener("abort", () => {
        void task.abort(true);
        reject(new AppError("cancelled", "upload.cancelled", "The upload was cancelled."));
      });
      task.start();
    });
  } finally {
    bar.end();
  }
}

interface ImportWords {
  readonly name?: string;
  readonly image?: string;
  readonly from?: string;
  readonly machine?: string;
  readonly configuration?: string;
  readonly json?: boolean;
}

const Started = z.object({ jobId: z.uuid() });

/** `image import FILE`: uploads a file and waits until it is analysed. */
export function registerImageImport(program: Command): void {
  const image = program.commands.find((command) => command.name() === "image");
  if (image === undefined) throw new Error("registerLists comes first");
  image
    .command("import <file>")
    .description("upload a disk image into the library")
    .option("--name <name>", "name of the image; the file's name otherwise")
    .option("--image <id>", "add a version to this image instead")
    .option("--from <format>", "format, when content cannot tell (raw)")
    .option("--machine <name>", "which machine of a package that holds several: its name or number")
    .option("--configuration <id>", "which configuration of a machine that has several; its default when absent")
    .option("--json", "print the image as JSON")
    .action(async (file: string, options: ImportWords) => {
      const info = await stat(file).catch((cause: unknown) => {
        throw new UsageError(`There is no file ${file}${cause instanceof Error ? "" : "."}`);
      });
      if (info.isDirectory())
        throw new UsageError(
          `${file} is a folder. Pack it as a zip, or import it from a folder of the console's machine.`,
        );
      if (!info.isFile()) throw new UsageError(`${file} is not a file.`);
      const api = await remoteApi();
      const signal = interruptSignal();
      const imageId = await upload(
        api,
        file,
        info.size,
        {
          filename: basename(file),
          ...(options.image === undefined ? {} : { imageId: options.image }),
          ...(options.name === undefined ? {} : { name: options.name }),
          ...(options.from === undefined ? {} : { from: parseSourceFormat(options.from) }),
        },
        signal,
      );
      const detail = await api.get(`/images/${imageId}`, ImageDetail);
      const newest = detail.versions.reduce((a, b) => (b.number > a.number ? b : a), detail.latest);
      const wish = { machine: options.machine ?? null, configuration: options.configuration ?? null };
      const wishes = wish.machine !== null || wish.configuration !== null;
      if (newest.jobId !== null)
        await waitForJob(api, newest.jobId, signal).catch((error: unknown) => {
          // Which machine is meant is said next.
          if (!wishes || !(error instanceof AppError) || error.code !== "image.machine-unsaid") throw error;
        });
      if (wishes) {
        const from = options.from === undefined ? null : parseSourceFormat(options.from);
        const again = await api.patch(`/images/${imageId}/versions/${newest.id}`, Started, { from, ...wish });
        await waitForJob(api, again.jobId, signal);
      }
      const ready = await api.get(`/images/${imageId}`, Image);
      if (options.json) printJson(ready, process.stdout, 2);
      else
        printLine(
          `${ready.name} version ${newest.number} is ready: ${ready.latest.disks.flatMap((d) => (d.linked ? [] : d.fingerprint)).join(", ")} (image ${ready.id})`,
        );
    });
}
