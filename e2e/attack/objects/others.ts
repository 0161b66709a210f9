/** Ids of things that belong to somebody else, or to another parent. */
import { ask } from "../bench/ask.ts";
import type { Bench, Person } from "../bench/bench.ts";
import { decide, pendingRequest, readRequest } from "../bench/deploys.ts";

export async function othersObjects(bench: Bench): Promise<void> {
  const row = bench.tally.row("objects", "things of other people");
  const mine = await bench.newPerson("operator");
  const others: readonly Person[] = [bench.operator, bench.requester, bench.auditor, bench.admin];

  const token = await ask(bench.url, "POST", "/api/v1/tokens", {
    headers: await bench.browser(mine),
    body: { name: "mine", role: "requester", expiresInDays: 1 },
  });
  const tokenId = (token.json as { token: { id: string } }).token.id;
  const upload = await bench.beginUpload(mine, "mine.raw", 10);
  const uploadPath = (upload.headers.location ?? "").replace("/api/v1", "");
  const offer = await bench.ok<{ transfer: { id: string; path: string }; token: string }>("POST", "/transfers", {
    as: mine,
    body: { imageId: bench.image.id, versionId: bench.image.versionId, diskId: bench.image.diskId, format: "qcow2" },
    showsSecret: true,
  });
  const second = await bench.ok<{ transfer: { id: string; path: string }; token: string }>("POST", "/transfers", {
    as: bench.operator,
    body: { imageId: bench.image.id, versionId: bench.image.versionId, diskId: bench.image.diskId, format: "vhdx" },
    showsSecret: true,
  });
  const tus = { "tus-resumable": "1.0.0" };
  const append = { ...tus, "upload-offset": "0", "content-type": "application/offset+octet-stream" };
  const calls: [string, string, Record<string, string>][] = [
    ["DELETE", `/tokens/${tokenId}`, {}],
    ["HEAD", uploadPath, tus],
    ["PATCH", uploadPath, append],
    ["DELETE", uploadPath, tus],
    ["DELETE", `/transfers/${offer.transfer.id}`, {}],
  ];
  for (const other of others)
    for (const [method, path, headers] of calls) {
      const answer = await bench.api(method, path, { as: other, headers, ...(method === "PATCH" ? { raw: "x" } : {}) });
      row.check(
        [403, 404].includes(answer.status),
        `${method} ${path} by another ${other.role}: ${answer.status} ${answer.text.slice(0, 100)}`,
      );
    }
  for (const other of others)
    for (const noun of ["tokens", "uploads", "transfers"]) {
      const list = await bench.api("GET", `/${noun}`, { as: other });
      row.check(
        ![tokenId, uploadPath.split("/").at(-1) ?? "?", offer.transfer.id].some((id) => list.text.includes(id)),
        `GET /${noun} of another ${other.role} names it`,
      );
    }
  const files = [
    `${offer.transfer.path}?token=${second.token}`,
    `${second.transfer.path}?token=${offer.token}`,
    offer.transfer.path,
    `${offer.transfer.path}?token=`,
    `${offer.transfer.path}?token=${offer.token.slice(0, -1)}`,
    `${offer.transfer.path}?token[]=${offer.token}`,
    `${offer.transfer.path}?token=${mine.token}`,
    `/api/v1/transfers/${second.transfer.id}/${offer.transfer.path.split("/").at(-1) ?? ""}?token=${offer.token}`,
  ];
  for (const path of files)
    for (const headers of [{}, { authorization: `Bearer ${mine.token}` }]) {
      const answer = await ask(bench.url, "GET", path, { headers });
      row.check(answer.status >= 400 && answer.status < 500, `GET ${path.replace(/svx_\S+/, "…")}: ${answer.status}`);
    }
  const right = await ask(bench.url, "GET", `${offer.transfer.path}?token=${offer.token}`);
  bench.tally
    .row("objects", "a transfer by its own token")
    .check(right.status === 200 && right.bytes.length > 0, `${right.status} ${right.text.slice(0, 100)}`);
}

export async function othersRequests(bench: Bench): Promise<void> {
  const row = bench.tally.row("objects", "requests of other people");
  const mine = await pendingRequest(bench, bench.requester);
  const stranger = await bench.newPerson("requester");
  const attempts: [string, () => Promise<{ status: number; text: string }>][] = [
    ["cancel by another requester", () => bench.api("POST", `/requests/${mine.id}/cancel`, { as: stranger, body: {} })],
    ["cancel by an auditor", () => bench.api("POST", `/requests/${mine.id}/cancel`, { as: bench.auditor, body: {} })],
    ["approve by its requester", () => decide(bench, bench.requester, mine, "approve")],
    ["approve by another requester", () => decide(bench, stranger, mine, "approve")],
    ["approve another plan", () => decide(bench, bench.operator, { ...mine, planHash: "0".repeat(64) }, "approve")],
    ["retry while it is pending", () => bench.api("POST", `/requests/${mine.id}/retry`, { as: stranger })],
  ];
  for (const [what, attempt] of attempts) {
    const answer = await attempt();
    const now = await readRequest(bench, mine.id);
    row.check(answer.status >= 400 && now.status === "pending", `${what}: ${answer.status}, and it is ${now.status}`);
  }
  const own = await pendingRequest(bench, bench.operator);
  const byOwner = await decide(bench, bench.operator, own, "approve");
  row.check(byOwner.status === 403, `an operator approved their own request: ${byOwner.status}`);

  const mixed = bench.tally.row("objects", "a child under another parent");
  const a = await pendingRequest(bench, bench.requester);
  const b = await pendingRequest(bench, bench.requester);
  const cancelled = await bench.api("POST", `/requests/${a.id}/cancel`, {
    as: bench.requester,
    body: { targetId: b.targets[0]!.id },
  });
  const [nowA, nowB] = [await readRequest(bench, a.id), await readRequest(bench, b.id)];
  mixed.check(
    cancelled.status === 404 && nowA.status === "pending" && nowB.status === "pending",
    `cancel of a target of another request: ${cancelled.status}; they are ${nowA.status} and ${nowB.status}`,
  );
  for (const request of [mine, own, a, b])
    await bench.api("POST", `/requests/${request.id}/cancel`, { as: bench.admin, body: {} });

  const otherId = await bench.upload(bench.operator, "other.raw", Buffer.alloc(65536, 7), { from: "raw" });
  const other = await bench.settledImage(otherId);
  const { id, versionId, diskId } = bench.image;
  const otherDisk = other.latest.disks[0]!.id;
  const paths = [
    `/images/${otherId}/versions/${versionId}/disks/${diskId}/file`,
    `/images/${id}/versions/${other.latest.id}/disks/${otherDisk}/file`,
    `/images/${id}/versions/${versionId}/disks/${otherDisk}/file`,
    `/images/${otherId}/versions/${other.latest.id}/disks/${diskId}/file`,
  ];
  for (const path of paths) {
    const answer = await bench.api("GET", path, { as: bench.admin });
    mixed.check(answer.status === 404, `GET ${path}: ${answer.status}`);
  }
  const calls: [string, string, unknown][] = [
    ["DELETE", `/images/${id}/versions/${other.latest.id}`, undefined],
    ["PATCH", `/images/${id}/versions/${other.latest.id}`, { from: "raw" }],
    ["POST", "/transfers", { imageId: id, versionId: other.latest.id, diskId: otherDisk, format: "raw" }],
    ["POST", "/transfers", { imageId: id, versionId, diskId: otherDisk, format: "raw" }],
  ];
  for (const [method, path, body] of calls) {
    const answer = await bench.api(method, path, {
      as: bench.admin,
      ...(body === undefined ? {} : { body }),
      showsSecret: true,
    });
    mixed.check(answer.status === 404, `${method} ${path}: ${answer.status} ${answer.text.slice(0, 100)}`);
  }
  const still = await bench.api("GET", `/images/${otherId}`, { as: bench.admin });
  mixed.check(still.status === 200, "the version was removed through another image");
  const [host, foreign] = bench.hosts;
  const vms = await bench.ok<{ items: { ref: string }[] }>("GET", `/vms?host=${host!.id}`, { as: bench.admin });
  const foreignVms = await bench.ok<{ items: { ref: string }[] }>("GET", `/vms?host=${foreign!.id}`, {
    as: bench.admin,
  });
  const known = new Set(foreignVms.items.map(({ ref }) => ref));
  for (const { ref } of vms.items.filter((vm) => !known.has(vm.ref)).slice(0, 3)) {
    const answer = await bench.api("POST", `/vms/${foreign!.id}/${encodeURIComponent(ref)}/power`, {
      as: bench.operator,
      body: { action: "stop" },
    });
    mixed.check(answer.status === 404, `power of a VM under another host: ${answer.status}`);
  }
}
