import type { PreviousUpload } from "tus-js-client";
import { describe, expect, it } from "vitest";
import { planUploads } from "./plan-uploads.ts";

let clock = 0;
const begun = (filename: string, more: Record<string, string> = {}): PreviousUpload => {
  clock += 1000;
  return {
    size: 10,
    metadata: { filename, ...more },
    creationTime: new Date(clock).toString(),
    urlStorageKey: `tus::${filename}::${clock}`,
    uploadUrl: `/api/v1/uploads/${clock}`,
    parallelUploadUrls: null,
  };
};
const newId = () => "new";
const ofSet = (id: string, size: number) => ({ set: id, setSize: String(size) });

describe("files that are chosen again after a reload", () => {
  it("stay the set that they were, those that were whole and those not yet begun too", () => {
    const descriptor = begun("disk.vmdk", ofSet("old", 3));
    const extent = begun("disk-s001.vmdk", ofSet("old", 3));
    const plan = planUploads(
      { begun: [[descriptor], [extent], []], remembered: [descriptor, extent], aim: {}, together: true },
      newId,
    );
    expect(plan).toEqual([
      { resume: descriptor, set: { id: "old", size: 3 } },
      { resume: extent, set: { id: "old", size: 3 } },
      { resume: null, set: { id: "old", size: 3 } },
    ]);
  });

  it("go on in their set when only the missing ones are chosen", () => {
    const extents = [begun("a-s1", ofSet("old", 3)), begun("a-s2", ofSet("old", 3))];
    const remembered = [begun("a", ofSet("old", 3)), ...extents];
    expect(planUploads({ begun: [[extents[0]!]], remembered, aim: {}, together: true }, newId)).toEqual([
      { resume: extents[0], set: { id: "old", size: 3 } },
    ]);
    const two = planUploads({ begun: extents.map((each) => [each]), remembered, aim: {}, together: true }, newId);
    expect(two.map(({ set }) => set?.id)).toEqual(["old", "old"]);
  });

  it("do not join a set that holds another file, or wants another number of files", () => {
    const one = begun("disk.vmdk", ofSet("old", 2));
    const other = begun("other-s001.vmdk", ofSet("old", 2));
    const fresh = [
      { resume: null, set: { id: "new", size: 2 } },
      { resume: null, set: { id: "new", size: 2 } },
    ];
    expect(planUploads({ begun: [[one], []], remembered: [one, other], aim: {}, together: true }, newId)).toEqual(
      fresh,
    );
    const three = begun("disk.vmdk", ofSet("old", 3));
    expect(planUploads({ begun: [[three], []], remembered: [three], aim: {}, together: true }, newId)).toEqual(fresh);
  });

  it("begin anew for another image or another format, and when they are no longer one disk", () => {
    const alone = begun("disk.img", { imageId: "i" });
    const start = { resume: null, set: null };
    for (const aim of [{}, { imageId: "j" }, { imageId: "i", from: "raw" }])
      expect(planUploads({ begun: [[alone]], remembered: [alone], aim, together: true }, newId)).toEqual([start]);
    const inSet = begun("disk.vmdk", ofSet("old", 2));
    const known = { begun: [[inSet], []], remembered: [inSet], aim: {}, together: false };
    expect(planUploads(known, newId)).toEqual([start, start]);
  });

  it("take the newest of several", () => {
    const old = begun("disk.img");
    const young = begun("disk.img");
    expect(planUploads({ begun: [[old, young]], remembered: [], aim: {}, together: true }, newId)).toEqual([
      { resume: young, set: null },
    ]);
  });
});
