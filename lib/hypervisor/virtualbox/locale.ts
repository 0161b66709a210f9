import type { MachineOs } from "./host-machine.ts";

/** What makes VBoxManage speak English in UTF-8. LANG=C alone prints nothing at all in some 7.0 builds; macOS has no C.UTF-8. */
export function inEnglish(os: MachineOs): Readonly<Record<string, string>> {
  if (os === "windows") return {};
  const locale = os === "macos" ? "en_US.UTF-8" : "C.UTF-8";
  return { LANG: locale, LC_ALL: locale };
}
