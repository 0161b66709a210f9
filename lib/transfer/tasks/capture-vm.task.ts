import { type Captured, captureImage, type CaptureInput } from "#lib/library/capture-image.ts";
import { serveTask } from "../task.ts";

serveTask<CaptureInput, Captured>((input, io) => captureImage(input, io.signal, io.progress));
