import { copyImage, type CopiedFiles, type CopyImageInput } from "#lib/library/import/copy-image.ts";
import { serveTask } from "../task.ts";

serveTask<CopyImageInput, CopiedFiles>((input, io) => copyImage(input, io.signal, io.progress));
