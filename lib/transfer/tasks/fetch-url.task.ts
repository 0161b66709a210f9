import { type Fetched, fetchFile, type FetchInput } from "#lib/library/url/fetch-file.ts";
import { serveTask } from "../task.ts";

serveTask<FetchInput, Fetched>((input, io) => fetchFile(input, io.signal, io.progress));
