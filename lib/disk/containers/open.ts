/** The kinds of packages as data. */
import type { ImageFile } from "../io.ts";
import { openFolder, openTarArchive, openZipArchive } from "./archive/open.ts";
import type { OpenContainerOptions, OpenedContainer } from "./container.ts";
import { type DetectedKind, detectContainer } from "./detect.ts";
import { openMachine } from "./machine/read.ts";
import { openOva, openOvf } from "./ova/open.ts";
import { openXva } from "./xva/open.ts";

type Open = (image: ImageFile, options: OpenContainerOptions, signal?: AbortSignal) => Promise<OpenedContainer>;

const OPEN = {
  ova: openOva,
  ovf: openOvf,
  xva: (image, _options, signal) => openXva(image, signal),
  vmx: (image, _options, signal) => openMachine("vmx", image, signal),
  vbox: (image, _options, signal) => openMachine("vbox", image, signal),
  hyperv: (image, _options, signal) => openMachine("hyperv", image, signal),
  vagrant: openTarArchive,
  archive: openTarArchive,
  zip: openZipArchive,
} satisfies Record<DetectedKind, Open>;

/** Null: no container, which a folder always is. The result owns `image.bytes` and all files it opened. Throws `image.*`. */
export async function openContainer(
  image: ImageFile,
  signal?: AbortSignal,
  options: OpenContainerOptions = {},
): Promise<OpenedContainer | null> {
  if (image.tree !== undefined) return openFolder(image, image.tree, options, signal);
  const kind = await detectContainer(image, signal);
  return kind === null ? null : OPEN[kind](image, options, signal);
}
