/** The kinds of packages as data. */
import type { ContainerKind } from "#lib/domain/container.ts";
import type { ImageFile } from "../io.ts";
import type { MachineChoice, OpenedContainer } from "./container.ts";
import { detectContainer } from "./detect.ts";
import { openOva, openOvf } from "./ova/open.ts";
import { openXva } from "./xva/open.ts";

const OPEN = { ova: openOva, ovf: openOvf, xva: openXva } satisfies Record<
  ContainerKind,
  (image: ImageFile, choice: MachineChoice, signal?: AbortSignal) => Promise<OpenedContainer>
>;

/** Null: no container. The result owns `image.bytes` and all files it opened. Throws `image.*`. */
export async function openContainer(
  image: ImageFile,
  signal?: AbortSignal,
  choice: MachineChoice = {},
): Promise<OpenedContainer | null> {
  const kind = await detectContainer(image, signal);
  return kind === null ? null : OPEN[kind](image, choice, signal);
}
