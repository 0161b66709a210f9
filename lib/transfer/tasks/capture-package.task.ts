import { capturePackage, type PackageInput } from "#lib/library/capture-package.ts";
import { serveTask } from "../task.ts";

serveTask<PackageInput, { moved: number }>((input, io) => capturePackage(input, io.signal, io.progress));
