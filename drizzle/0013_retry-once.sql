ALTER TABLE "requests" ADD COLUMN "retry_of" uuid;--> statement-breakpoint
ALTER TABLE "requests" ADD CONSTRAINT "requests_retry_of_requests_id_fk" FOREIGN KEY ("retry_of") REFERENCES "public"."requests"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "requests_retry_of" ON "requests" USING btree ("retry_of") WHERE "requests"."status" <> 'denied';