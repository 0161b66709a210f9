/** Every table in one namespace: drizzle and drizzle-kit want them together. */
export * from "./schema/audit.ts";
export * from "./schema/host.ts";
export * from "./schema/image.ts";
export * from "./schema/job.ts";
export * from "./schema/library.ts";
export * from "./schema/request.ts";
export * from "./schema/setting.ts";
export * from "./schema/upload.ts";
export * from "./schema/user.ts";
