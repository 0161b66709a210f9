import type { ReactNode } from "react";
import { SessionGate } from "#components/session/SessionGate.tsx";
import { Frame } from "#components/shell/Frame.tsx";

export default function ConsoleLayout({ children }: { children: ReactNode }): ReactNode {
  return (
    <SessionGate>
      <Frame>{children}</Frame>
    </SessionGate>
  );
}
