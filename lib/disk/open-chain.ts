/** Opens an image and all that it is a difference of, by whatever way its format names a parent. */
import type { BlockSource } from "./block-source.ts";
import { ImageChain } from "./image-chain.ts";
import type { ImageFile } from "./io.ts";
import type { Layer } from "./layer.ts";
import { LayeredDisk } from "./layered-disk.ts";

/** One image of a chain, opened. */
interface Linked {
  readonly disk: Layer;
}

export interface ChainFormat<L extends Linked> {
  /** Opens one image alone. Files that it needs beside it are opened through the chain. */
  open(file: ImageFile, chain: ImageChain): Promise<L>;
  /** The file of its parent, opened through the chain; null when it stands alone. Throws `image.parent-missing`. */
  parent(link: L, owner: string, chain: ImageChain): Promise<ImageFile | null>;
  /** Throws `image.parent-mismatch` unless `parent` is what `link` was made of and was not changed since. */
  check(link: L, owner: string, parent: L, parentName: string): void;
}

export interface OpenedChain<L> extends AsyncDisposable {
  readonly top: L;
  readonly links: readonly L[];
  readonly disk: BlockSource;
  /** Every file of the image, the opened one first. */
  readonly files: readonly string[];
  /** For ImageFacts: names of the images below, nearest first; nothing for one that stands alone. */
  readonly facts: { readonly parents?: readonly string[] };
}

/**
 * Disposing the result closes the image and all files that were opened with it; after an error only the latter are.
 * Throws `image.chain-loop`, `image.chain-too-deep`, `image.path-escapes`, and what the format throws.
 */
export async function openChain<L extends Linked>(
  image: ImageFile,
  format: ChainFormat<L>,
  signal?: AbortSignal,
): Promise<OpenedChain<L>> {
  const chain = new ImageChain(image);
  try {
    chain.enter(image);
    const top = await format.open(image, chain);
    const links: L[] = [top];
    let link = top;
    let owner = image.name;
    for (let file = await format.parent(link, owner, chain); file !== null; ) {
      signal?.throwIfAborted();
      chain.enter(file);
      const parent = await format.open(file, chain);
      format.check(link, owner, parent, file.name);
      links.push(parent);
      link = parent;
      owner = file.name;
      file = await format.parent(link, owner, chain);
    }
    const parents = chain.images.slice(1);
    return {
      top,
      links,
      disk: stacked(top.disk, links),
      files: chain.files,
      facts: parents.length === 0 ? {} : { parents },
      async [Symbol.asyncDispose]() {
        await chain.close();
        await image.bytes[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await chain.close();
    throw error;
  }
}

/** One that stands alone needs no layers. */
function stacked(top: Layer, links: readonly Linked[]): BlockSource {
  const base = links.at(-1);
  if (base === undefined || links.length === 1) return top;
  return new LayeredDisk([top, ...links.slice(1, -1).map((link) => link.disk)], base.disk);
}
