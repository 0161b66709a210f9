CREATE TABLE "library_findings" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"fault" text NOT NULL,
	"place" text NOT NULL,
	"version_id" uuid,
	"expected" bigint,
	"actual" bigint,
	"first_seen_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "image_disks" ADD COLUMN "file_sizes" jsonb;--> statement-breakpoint
CREATE UNIQUE INDEX "library_findings_place" ON "library_findings" USING btree ("fault","place");--> statement-breakpoint
CREATE INDEX "library_findings_version" ON "library_findings" USING btree ("version_id");