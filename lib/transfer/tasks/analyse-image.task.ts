import { type Analysis, analyseFiles, type AnalyseInput, type AnalyseProgress } from "#lib/library/analyse-files.ts";
import { serveTask } from "../task.ts";

serveTask<AnalyseInput, Analysis, AnalyseProgress>((input, io) => analyseFiles(input, io.signal, io.progress));
