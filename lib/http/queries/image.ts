import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { z } from "zod";
import { FolderEntry, Image, ImageDetail } from "#lib/domain/image.ts";
import { pageOf } from "#lib/domain/page.ts";
import { api, apiUrl } from "#lib/http/client.ts";

const ImagePage = pageOf(Image);

/** An upload of this person that was begun and not finished. */
export const UnfinishedUpload = z.object({
  id: z.string(),
  fileName: z.string(),
  size: z.number(),
  offset: z.number(),
  createdAt: z.string(),
});
export type UnfinishedUpload = z.infer<typeof UnfinishedUpload>;

/** What import and capture answer: the image that appears and the job that fills it. */
export const ImageStarted = z.object({ image: Image, jobId: z.string() });
export type ImageStarted = z.infer<typeof ImageStarted>;

/** What linking a VM answers: the image of its disks, and the version that has just these. */
export const ImageLinked = z.object({ image: Image, versionId: z.string() });

export const imageQueries = {
  all: ["images"] as const,
  list: (q = "") =>
    infiniteQueryOptions({
      queryKey: ["images", "list", q],
      queryFn: ({ signal, pageParam }) => api.get("/images", ImagePage, { q, cursor: pageParam, limit: 200 }, signal),
      initialPageParam: null as string | null,
      getNextPageParam: (page) => page.next,
      placeholderData: keepPreviousData,
    }),
  /** The first few by name, for a picker or a palette. */
  some: (q: string, limit: number) =>
    queryOptions({
      queryKey: ["images", "some", q, limit],
      queryFn: ({ signal }) => api.get("/images", ImagePage, { q, limit }, signal),
      placeholderData: keepPreviousData,
    }),
  detail: (id: string) =>
    queryOptions({
      queryKey: ["images", "detail", id],
      queryFn: ({ signal }) => api.get(`/images/${encodeURIComponent(id)}`, ImageDetail, {}, signal),
    }),
  /** A folder on the server that an administrator allowed; empty path: the allowed folders themselves. */
  folder: (path: string) =>
    queryOptions({
      queryKey: ["images", "folder", path],
      queryFn: async ({ signal }) =>
        (await api.get("/images/folders", z.object({ items: z.array(FolderEntry) }), { path }, signal)).items,
    }),
  uploads: () =>
    queryOptions({
      queryKey: ["images", "uploads"],
      queryFn: async ({ signal }) =>
        (await api.get("/uploads", z.object({ items: z.array(UnfinishedUpload) }), {}, signal)).items,
    }),
};

/** Address that downloads a disk's original file. */
export function diskFileUrl(imageId: string, versionId: string, diskId: string): string {
  return apiUrl(`/images/${imageId}/versions/${versionId}/disks/${diskId}/file`);
}
