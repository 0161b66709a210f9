import type { ReactNode } from "react";

/** The room around a page that does not fill the frame to its edges. */
export function PageBody({ children }: { children: ReactNode }): ReactNode {
  return <div className="p-4">{children}</div>;
}
