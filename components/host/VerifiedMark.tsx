import { CircleCheck, FlaskConical } from "lucide-react";
import type { ReactNode } from "react";
import { VERIFIED } from "#lib/domain/verified.ts";

/** Says on what an adapter was verified: the vendor's product, or a simulator that stands for it. */
export function VerifiedMark({ driver }: { driver: keyof typeof VERIFIED }): ReactNode {
  const { by, against, unseen } = VERIFIED[driver];
  const Icon = by === "product" ? CircleCheck : FlaskConical;
  return (
    <div className="flex items-start gap-2 text-xs text-ink-2">
      <Icon
        aria-hidden
        className={by === "product" ? "mt-px size-4 shrink-0 text-ok" : "mt-px size-4 shrink-0 text-warn"}
      />
      <p>
        <span className="font-medium text-ink">
          {by === "product" ? "Verified on the real product" : "Verified on a simulator"}
        </span>
        {": "}
        {against}.{unseen === null ? "" : ` Not seen by any test: ${unseen}.`}
      </p>
    </div>
  );
}
