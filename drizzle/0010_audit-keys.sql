CREATE TABLE "audit_repeats" (
	"key" text PRIMARY KEY NOT NULL,
	"actor" jsonb NOT NULL,
	"fact" jsonb NOT NULL,
	"count" integer NOT NULL,
	"since" timestamp with time zone NOT NULL,
	"until" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "audit_entries" ADD COLUMN "key_id" text;--> statement-breakpoint
ALTER TABLE "audit_entries" ADD COLUMN "mac" text;--> statement-breakpoint
ALTER TABLE "requests" ADD COLUMN "body_hash" text;