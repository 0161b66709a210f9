/** /images; the upload of files is lib/library/uploads.ts, described here for the reference. */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { SourceFormatId } from "#lib/domain/disk-format.ts";
import {
  CaptureVm,
  FolderEntry,
  Image,
  ImageDetail,
  ImageEdit,
  ImportFromFolder,
  MachineWish,
  ImportFromUrl,
  LinkVm,
} from "#lib/domain/image.ts";
import { pageOf } from "#lib/domain/page.ts";
import { presentImage, presentImageDetail } from "#lib/presenters/image.ts";
import { captureVm } from "#lib/services/image/capture-vm.ts";
import { editImage } from "#lib/services/image/edit-image.ts";
import { importFromFolder, importFromUrl, listFolder } from "#lib/services/image/import-image.ts";
import { linkVm } from "#lib/services/image/link-vm.ts";
import { getImage, listImages } from "#lib/services/image/list-images.ts";
import { openDiskFile } from "#lib/services/image/open-disk-file.ts";
import { readVersionAgain } from "#lib/services/image/read-again.ts";
import { removeImage, removeVersion } from "#lib/services/image/remove-versions.ts";
import type { Ctx, Services } from "#lib/services/context.ts";
import { answers, answers202, answers204, body, paging, refused } from "./answers.ts";
import { parseRange } from "#lib/serve/byte-range.ts";
import { fileBytes } from "./file-bytes.ts";
import { streamed } from "./streamed.ts";
import type { Api } from "./types.ts";

const tags = ["Images"];
const id = z.object({ id: z.uuid() });
const versionId = id.extend({ versionId: z.uuid() });
const diskId = versionId.extend({ diskId: z.uuid() });
const Started = z.object({ image: Image, jobId: z.uuid() });

const routes = {
  list: createRoute({
    method: "get",
    path: "/images",
    tags,
    summary: "Images by name",
    request: { query: z.object({ q: z.string().max(200).optional(), ...paging(200, 50) }) },
    responses: answers(pageOf(Image), "A page of images"),
  }),
  folders: createRoute({
    method: "get",
    path: "/images/folders",
    tags,
    summary: "What lies in a folder that may be imported from",
    description: "An empty path lists the allowed folders themselves.",
    request: { query: z.object({ path: z.string().max(4096).default("") }) },
    responses: answers(z.object({ items: z.array(FolderEntry) }), "Folders first, by name"),
  }),
  fromFolder: createRoute({
    method: "post",
    path: "/images/import-folder",
    tags,
    summary: "Import a file of the server",
    request: { body: body(ImportFromFolder) },
    responses: answers202(Started, "The image that appears and the job that fills it"),
  }),
  fromUrl: createRoute({
    method: "post",
    path: "/images/import-url",
    tags,
    summary: "Import from a URL",
    request: { body: body(ImportFromUrl) },
    responses: answers202(Started, "The image that appears and the job that fills it"),
  }),
  capture: createRoute({
    method: "post",
    path: "/images/capture",
    tags,
    summary: "Capture disks of a VM, all of one moment",
    request: { body: body(CaptureVm) },
    responses: answers202(Started, "The image that appears and the job that fills it"),
  }),
  link: createRoute({
    method: "post",
    path: "/images/link",
    tags,
    summary: "An image of a VM's disks that stay on their host",
    description:
      "Nothing is copied: a deploy reads the disks as they are when it runs. The same disks of the same VM are one image, however often they are linked.",
    request: { body: body(LinkVm) },
    responses: answers(z.object({ image: Image, versionId: z.uuid() }), "The image, and its version with these disks"),
  }),
  get: createRoute({
    method: "get",
    path: "/images/{id}",
    tags,
    summary: "An image with its versions",
    request: { params: id },
    responses: answers(ImageDetail, "The image"),
  }),
  edit: createRoute({
    method: "patch",
    path: "/images/{id}",
    tags,
    summary: "Name, description, and hints of the latest version",
    request: { params: id, body: body(ImageEdit) },
    responses: answers(ImageDetail, "The image"),
  }),
  remove: createRoute({
    method: "delete",
    path: "/images/{id}",
    tags,
    summary: "Remove an image with its files",
    request: { params: id },
    responses: answers204("Removed"),
  }),
  readAgain: createRoute({
    method: "patch",
    path: "/images/{id}/versions/{versionId}",
    tags,
    summary: "Read a version's files again, as the format that is said",
    request: { params: versionId, body: body(z.object({ from: SourceFormatId.nullable(), ...MachineWish.shape })) },
    responses: answers202(Started, "The image and the job"),
  }),
  removeVersion: createRoute({
    method: "delete",
    path: "/images/{id}/versions/{versionId}",
    tags,
    summary: "Remove a version with its files",
    request: { params: versionId },
    responses: answers204("Removed"),
  }),
  file: createRoute({
    method: "get",
    path: "/images/{id}/versions/{versionId}/disks/{diskId}/file",
    tags,
    summary: "Download an original file of a disk",
    description: "Takes `Range`. `name` picks one of the disk's files; the main one otherwise.",
    request: { params: diskId, query: z.object({ name: z.string().max(255).optional() }) },
    responses: {
      200: { description: "The file" },
      206: { description: "The asked range of it" },
      416: { description: "The range lies behind the end" },
      default: refused,
    },
  }),
};

export function registerImageRoutes(api: Api, _services: Services): void {
  api.openapi(routes.list, async (c) => {
    const { q, cursor, limit } = c.req.valid("query");
    const page = await listImages(c.get("ctx"), { q: q ?? null, cursor: cursor ?? null, limit });
    return c.json({ items: page.found.map(presentImage), next: page.next, total: page.total }, 200);
  });
  api.openapi(routes.folders, async (c) =>
    c.json({ items: await listFolder(c.get("ctx"), c.req.valid("query").path) }, 200),
  );
  api.openapi(routes.fromFolder, async (c) =>
    c.json(await started(c.get("ctx"), await importFromFolder(c.get("ctx"), c.req.valid("json"))), 202),
  );
  api.openapi(routes.fromUrl, async (c) =>
    c.json(await started(c.get("ctx"), await importFromUrl(c.get("ctx"), c.req.valid("json"))), 202),
  );
  api.openapi(routes.capture, async (c) =>
    c.json(await started(c.get("ctx"), await captureVm(c.get("ctx"), c.req.valid("json"))), 202),
  );
  api.openapi(routes.link, async (c) => {
    const { imageId, versionId } = await linkVm(c.get("ctx"), c.req.valid("json"));
    return c.json({ image: presentImage(await getImage(c.get("ctx"), imageId)), versionId }, 200);
  });
  api.openapi(routes.get, async (c) =>
    c.json(presentImageDetail(await getImage(c.get("ctx"), c.req.valid("param").id)), 200),
  );
  api.openapi(routes.edit, async (c) => {
    const ctx = c.get("ctx");
    const { id: imageId } = c.req.valid("param");
    await editImage(ctx, imageId, c.req.valid("json"));
    return c.json(presentImageDetail(await getImage(ctx, imageId)), 200);
  });
  api.openapi(routes.remove, async (c) => {
    await removeImage(c.get("ctx"), c.req.valid("param").id);
    return c.body(null, 204);
  });
  api.openapi(routes.readAgain, async (c) => {
    const ctx = c.get("ctx");
    const where = c.req.valid("param");
    const { from, machine, configuration } = c.req.valid("json");
    const jobId = await readVersionAgain(ctx, where.id, where.versionId, from, { machine, configuration });
    return c.json(await started(ctx, { imageId: where.id, jobId }), 202);
  });
  api.openapi(routes.removeVersion, async (c) => {
    const where = c.req.valid("param");
    await removeVersion(c.get("ctx"), where.id, where.versionId);
    return c.body(null, 204);
  });
  api.openapi(routes.file, async (c) => {
    const ctx = c.get("ctx");
    const where = c.req.valid("param");
    const headOnly = c.req.method === "HEAD";
    const name = c.req.valid("query").name ?? null;
    const found = await openDiskFile(ctx, { ...where, imageId: where.id }, name, !headOnly);
    const range = parseRange(c.req.header("range"), found.size);
    const headers = {
      "Content-Type": "application/octet-stream",
      // RFC 6266: the name in UTF-8, percent-encoded.
      "Content-Disposition": `attachment; filename*=UTF-8''${encodeURIComponent(found.fileName)}`,
      "Accept-Ranges": "bytes",
      ...(found.sha256 === null ? {} : { ETag: `"${found.sha256}"` }),
    };
    if (range === "unsatisfiable" || found.size === 0 || headOnly) {
      await found.handle.close();
      if (headOnly) return c.body(null, 200, { ...headers, "Content-Length": String(found.size) });
      return found.size === 0
        ? c.body(null, 200, headers)
        : c.body(null, 416, { ...headers, "Content-Range": `bytes */${found.size}` });
    }
    const { start, end } = range ?? { start: 0, end: found.size - 1 };
    const source = { pieces: fileBytes(found.handle, start, end), release: () => found.handle.close() };
    return c.body(streamed(c, ctx.log, source), range === null ? 200 : 206, {
      ...headers,
      "Content-Length": String(end - start + 1),
      ...(range === null ? {} : { "Content-Range": `bytes ${start}-${end}/${found.size}` }),
    });
  });
  describeUploads(api);
}

async function started(
  ctx: Ctx,
  { imageId, jobId }: { imageId: string; jobId: string },
): Promise<z.infer<typeof Started>> {
  return { image: presentImage(await getImage(ctx, imageId)), jobId };
}

const Unfinished = z.object({
  id: z.uuid(),
  fileName: z.string(),
  size: z.number(),
  offset: z.number(),
  createdAt: z.string(),
});

function describeUploads(api: Api): void {
  const upload = ["Uploads"];
  const registry = api.openAPIRegistry;
  registry.registerPath({
    method: "get",
    path: "/uploads",
    tags: upload,
    summary: "Your own unfinished uploads",
    responses: answers(z.object({ items: z.array(Unfinished) }), "The oldest first"),
  });
  registry.registerPath({
    method: "post",
    path: "/uploads",
    tags: upload,
    summary: "Begin an upload (tus 1.0.0)",
    description:
      "Headers: `Tus-Resumable: 1.0.0`, `Upload-Length`, and `Upload-Metadata` with `filename` and, as wanted, `imageId` or `name`, `from` (a format, for raw), and `set` with `setSize` for the files of one disk that come apart. When all bytes are there, the answer's header `Supravisor-Image` names the image.",
    responses: { 201: { description: "`Location` is where the bytes go" }, default: refused },
  });
  registry.registerPath({
    method: "head",
    path: "/uploads/{id}",
    tags: upload,
    summary: "How much is there (tus 1.0.0)",
    request: { params: id },
    responses: { 200: { description: "`Upload-Offset` and `Upload-Length`" }, default: refused },
  });
  registry.registerPath({
    method: "patch",
    path: "/uploads/{id}",
    tags: upload,
    summary: "Send bytes (tus 1.0.0)",
    request: { params: id },
    responses: { 204: { description: "`Upload-Offset` is where to go on" }, default: refused },
  });
  registry.registerPath({
    method: "delete",
    path: "/uploads/{id}",
    tags: upload,
    summary: "Give an upload up (tus 1.0.0)",
    request: { params: id },
    responses: { 204: { description: "Gone" }, default: refused },
  });
}
