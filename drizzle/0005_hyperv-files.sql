-- Hyper-V hosts of before: they move their disks themselves.
UPDATE "hosts" SET "connection" = jsonb_set("connection", '{connection,files}', '{"by":"winrm"}')
WHERE "connection"->>'driver' = 'hyperv' AND "connection"#>'{connection,files}' IS NULL;
