import { FlaskConical } from "lucide-react";
import type { ReactNode } from "react";
import { Badge } from "#components/ui/Badge.tsx";

/** Stands wherever a demo host or something on it is shown, so that nobody takes it for a real one. */
export function SimulatedBadge(): ReactNode {
  return (
    <Badge>
      <FlaskConical aria-hidden className="size-3" /> Simulated
    </Badge>
  );
}
