-- Hyper-V hosts of before: they move their disks themselves, and over HTTP they are signed in to by NTLM.
UPDATE "hosts" SET "connection" = jsonb_set("connection", '{connection,files}', '{"by":"winrm"}')
WHERE "connection"->>'driver' = 'hyperv' AND "connection"#>'{connection,files}' IS NULL;
--> statement-breakpoint
UPDATE "hosts" SET "connection" = jsonb_set("connection", '{connection,auth}', '"ntlm"')
WHERE "connection"->>'driver' = 'hyperv' AND "connection"#>'{connection,auth}' IS NULL;
