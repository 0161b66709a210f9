/** Holds an image against the raw disk that it should be, byte for byte and extent for extent, for tests. */
import { strict as assert } from "node:assert";
import { closeSync, openSync, readSync } from "node:fs";
import type { BlockSource } from "../block-source.ts";
import { openImageFile } from "../files/image-file.ts";
import type { ImageFacts } from "../format.ts";
import { openImage } from "../registry.ts";

const STEP = 1_048_576 + 4096;
const ZEROS = Buffer.alloc(STEP);

/** Opens `path` by content and expects the bytes of `raw`, and zeros after its end. Answers what opening found. */
export async function expectSameDisk(path: string, raw: string): Promise<ImageFacts> {
  await using image = await openImageFile(path);
  await using opened = await openImage(image);
  await expectSound(opened.disk, raw);
  return opened.facts;
}

async function expectSound(disk: BlockSource, raw: string): Promise<void> {
  const fd = openSync(raw, "r");
  try {
    const truth = (offset: number, length: number) => {
      const bytes = Buffer.alloc(length);
      readSync(fd, bytes, 0, length, offset);
      return bytes;
    };
    // An odd step: reads begin and end inside grains, blocks and sectors.
    for (let offset = 0; offset < disk.size; offset += STEP) {
      const bytes = Buffer.alloc(Math.min(STEP, disk.size - offset), 0xaa);
      await disk.read(offset, bytes);
      if (!bytes.equals(truth(offset, bytes.length)))
        assert.fail(`the disk differs from the raw one after byte ${offset}`);
    }
    let end = 0;
    let kind = "";
    for await (const extent of disk.extents()) {
      assert.equal(extent.offset, end, "extents leave no gap");
      assert.ok(extent.length > 0, "no extent is empty");
      assert.notEqual(extent.kind, kind, "neighbours differ in kind");
      kind = extent.kind;
      end += extent.length;
      if (kind === "data") continue;
      for (let at = extent.offset; at < end; at += STEP) {
        const bytes = truth(at, Math.min(STEP, end - at));
        if (!bytes.equals(ZEROS.subarray(0, bytes.length)))
          assert.fail(`data lies in the zero extent at ${extent.offset}`);
      }
    }
    assert.equal(end, disk.size, "extents cover the disk");
  } finally {
    closeSync(fd);
  }
}
