ALTER TABLE "jobs" ADD COLUMN "crash_stage" text;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "host_id" uuid;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "waiting" jsonb;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "resume_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "interruptions" integer DEFAULT 0 NOT NULL;