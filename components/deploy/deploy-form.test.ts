import { describe, expect, it } from "vitest";
import type { TargetChoice } from "#lib/domain/request.ts";
import { deployReducer, type DeployDraft } from "./useDeployForm.ts";

const hostA = "6a9d2a6e-8d4e-4a43-9a3f-0c5b0e9c0001";
const choice: TargetChoice = {
  hostId: hostA,
  name: "web",
  cpus: 2,
  memory: 1024 ** 3,
  firmware: "uefi",
  secureBoot: false,
  placement: {},
  diskFormat: "qcow2",
  bus: "virtio",
  poolRef: "default",
  nic: null,
  start: true,
};
const empty: DeployDraft = { versionId: "v1", targets: [], note: "", idempotencyKey: "k" };

describe("the draft of a deploy", () => {
  it("gives two VMs on one host two names", () => {
    let draft = deployReducer(empty, { type: "add", hostId: hostA, key: "1" });
    draft = deployReducer(draft, { type: "add", hostId: hostA, key: "2" });
    draft = deployReducer(draft, { type: "defaults", key: "1", choice });
    draft = deployReducer(draft, { type: "defaults", key: "2", choice });
    expect(draft.targets.map((t) => t.choice?.name)).toEqual(["web", "web-2"]);
  });

  it("keeps what a person chose when late defaults arrive", () => {
    let draft = deployReducer(empty, { type: "add", hostId: hostA, key: "1" });
    draft = deployReducer(draft, { type: "defaults", key: "1", choice });
    draft = deployReducer(draft, { type: "edit", key: "1", change: { cpus: 8 } });
    draft = deployReducer(draft, { type: "defaults", key: "1", choice });
    expect(draft.targets[0]?.choice?.cpus).toBe(8);
  });

  it("asks for choices anew when the image changes, and keeps the targets", () => {
    let draft = deployReducer(empty, { type: "add", hostId: hostA, key: "1" });
    draft = deployReducer(draft, { type: "defaults", key: "1", choice });
    draft = deployReducer(draft, { type: "image", versionId: "v2" });
    expect(draft.targets).toEqual([{ key: "1", hostId: hostA, choice: null }]);
    expect(deployReducer(draft, { type: "image", versionId: "v2" })).toBe(draft);
  });
});
