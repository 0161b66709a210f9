/** What a virtual disk is a difference of, as the host tells it. */
import { AppError } from "#lib/errors.ts";
import { type CimRef, text } from "#lib/wire/wsman/cim.ts";
import { readEmbedded } from "#lib/wire/wsman/embedded.ts";
import type { ChainLink } from "../chain-files.ts";
import { formatOf } from "./map-vm.ts";
import { type HypervSession, V2 } from "./session.ts";

const CLASS = "Msvm_ImageManagementService";
const IMAGES: CimRef = { namespace: V2, className: CLASS, keys: { CreationClassName: CLASS } };
/** More than a machine may have checkpoints. */
const DEEPEST = 64;

/** The top first. Throws `host.refused` for a file that the host cannot read, `image.chain-too-deep`. */
export async function chainOf(session: HypervSession, top: string, signal?: AbortSignal): Promise<ChainLink[]> {
  const chain: ChainLink[] = [];
  for (let path = top; path !== ""; ) {
    if (chain.length === DEEPEST)
      throw new AppError("unprocessable", "image.chain-too-deep", `${top} stands above ${DEEPEST} others.`, {
        hint: "Merge the checkpoints first.",
      });
    chain.push({ location: path, format: formatOf(path) });
    const answer = await session.invoke(
      IMAGES,
      "GetVirtualHardDiskSettingData",
      { Path: path },
      `Reading ${path}`,
      signal,
    );
    const told = text(answer, "SettingData");
    path = (told === null ? undefined : readEmbedded(told)?.values.get("ParentPath")?.[0]) ?? "";
  }
  return chain;
}
