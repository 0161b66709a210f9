import { TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Time } from "#components/ui/Time.tsx";

/** Says that what is shown may be out of date, and since when. */
export function StaleBanner({ since, hostName }: { since: string; hostName: string }): ReactNode {
  return (
    <div role="status" className="flex items-start gap-2 rounded-md border border-warn/50 bg-warn-weak px-3 py-2">
      <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
      <span>
        {hostName} has not been heard from since <Time value={since} exact /> (<Time value={since} />
        ): what is shown may be out of date.
      </span>
    </div>
  );
}
