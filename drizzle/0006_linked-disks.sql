ALTER TABLE "image_disks" ALTER COLUMN "file_name" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "image_disks" ALTER COLUMN "format" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "image_disks" ALTER COLUMN "variant" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "image_disks" ALTER COLUMN "stored_size" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "image_disks" ALTER COLUMN "guest" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "image_disks" ALTER COLUMN "allocation" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "image_disks" ALTER COLUMN "fingerprint" DROP NOT NULL;