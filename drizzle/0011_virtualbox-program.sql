-- Which program is run is no longer part of a connection.
UPDATE "hosts" SET "connection" = "connection" #- '{connection,program}' WHERE "connection" ->> 'driver' = 'virtualbox';
