import { type Browser, expect, type Page } from "@playwright/test";
import { ADMIN } from "./console.ts";
import { signIn } from "./sign-in.ts";

/** Submits the deploy form as it stands. Answers the request's id. */
export async function submitByPage(page: Page): Promise<string> {
  const submit = page.getByRole("button", { name: "Request approval" });
  await expect(submit).toBeEnabled();
  await submit.click();
  await expect(page).toHaveURL(/request=/);
  return new URL(page.url()).searchParams.get("request") ?? "";
}

/** Approves a request in a window of its own, as another person than the one who asked. */
export async function approveByPage(browser: Browser, url: string, id: string): Promise<void> {
  const approver = await browser.newPage();
  await signIn(approver, url, ADMIN);
  await approver.goto(`${url}/requests/${id}`);
  await approver.getByRole("button", { name: "Approve" }).click();
  await approver.getByRole("button", { name: "Approve and run" }).click();
  await approver.close();
}
