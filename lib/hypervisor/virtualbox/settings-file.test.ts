import { expect, it } from "vitest";
import { parseSettings } from "./settings-file.ts";

const nested = (depth: number): string =>
  depth === 0
    ? ""
    : `<Snapshots><Snapshot uuid="{${String(depth).padStart(8, "0")}-757B-4fc7-97b0-4392767f2045}" name="s${depth}" timeStamp="2026-11-26T14:50:20Z">${nested(depth - 1)}</Snapshot></Snapshots>`;

const file = (inner: string, extra = ""): string =>
  `<?xml version="1.0"?><VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux"><Machine uuid="{1}" currentSnapshot="{f9922876-628f-4616-8409-d3283d38ab70}">${extra}${inner}</Machine></VirtualBox>`;

it("tells the tree of snapshots and the tag", async () => {
  const settings = await parseSettings(
    file(
      `<Snapshot uuid="{aeade995-757b-4fc7-97b0-4392767f2045}" name="snap &quot;a&quot; &#xE9; &#x6771;" timeStamp="2026-11-26T14:50:20Z" stateFile="x.sav"><Description>two
lines</Description><Snapshots><Snapshot uuid="{f9922876-628f-4616-8409-d3283d38ab70}" name="b"/></Snapshots></Snapshot>`,
      `<ExtraData><ExtraDataItem name="GUI/x" value="1"/><ExtraDataItem name="supravisor/tag" value="t-1"/></ExtraData>`,
    ),
  );
  expect(settings?.tag).toBe("t-1");
  expect(settings?.snapshots).toEqual([
    {
      id: "aeade995-757b-4fc7-97b0-4392767f2045",
      name: 'snap "a" é 東',
      parentId: null,
      createdAt: "2026-11-26T14:50:20.000Z",
      state: "running",
      current: false,
    },
    {
      id: "f9922876-628f-4616-8409-d3283d38ab70",
      name: "b",
      parentId: "aeade995-757b-4fc7-97b0-4392767f2045",
      createdAt: null,
      state: "powered off",
      current: true,
    },
  ]);
});

it("follows a long line of snapshots", async () => {
  const settings = await parseSettings(file(nested(200).slice("<Snapshots>".length, -"</Snapshots>".length)));
  expect(settings?.snapshots).toHaveLength(200);
});

it.each(["", "not xml", "<a/>", "<VirtualBox><Global/></VirtualBox>", "<VirtualBox><Machine", "&a;".repeat(1000)])(
  "says nothing of %j",
  async (text) => {
    expect(await parseSettings(text)).toBeNull();
  },
);

it("has an empty answer for a machine without anything", async () => {
  expect(await parseSettings(file(""))).toEqual({ tag: null, snapshots: [] });
});
