import { expect, type Page } from "@playwright/test";
import type { ScriptApi } from "./api.ts";
import { until } from "./api.ts";

export interface VersionAnswer {
  readonly id: string;
  readonly state: string;
  readonly error: { code: string; message: string } | null;
  readonly disks: readonly {
    fileName: string | null;
    fingerprint: string;
    format: string;
    variant: string;
    virtualSize: number;
    guest: { os: { name: string } | null; boots: { bios: boolean; uefi: boolean } };
  }[];
}
export interface ImageAnswer {
  readonly id: string;
  readonly name: string;
  readonly latest: VersionAnswer;
}

/** Gives a file to the page as a person does, and waits until the library has looked at it. */
export async function uploadByPage(
  page: Page,
  url: string,
  api: ScriptApi,
  path: string,
  options: { raw?: boolean } = {},
): Promise<ImageAnswer> {
  await page.goto(`${url}/images`);
  if (options.raw) await page.getByRole("checkbox", { name: "They are raw images" }).click();
  await page.getByLabel("Disk image files").setInputFiles(path);
  const link = page.getByRole("list", { name: "Uploads" }).getByRole("link", { name: "Open image" });
  await expect(link.first()).toBeVisible();
  const id = (await link.first().getAttribute("href"))?.split("/").pop() ?? "";
  return settled(api, id);
}

/** The image once its newest version is ready or has failed. */
export async function settled(api: ScriptApi, id: string): Promise<ImageAnswer> {
  return until(
    `image ${id}`,
    () => api.ok<ImageAnswer>("GET", `/images/${id}`),
    (image) => ["ready", "failed"].includes(image.latest.state),
    120_000,
  );
}
