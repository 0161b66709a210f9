import { CircleQuestionMark } from "lucide-react";
import type { ReactNode } from "react";
import type { VmQuestion } from "#lib/domain/inventory.ts";

/** The question that holds the VM up; it is answered on the host. */
export function QuestionBanner({ question, hostName }: { question: VmQuestion; hostName: string }): ReactNode {
  return (
    <div role="status" className="flex items-start gap-2 rounded-md border border-warn/50 bg-warn-weak px-3 py-2">
      <CircleQuestionMark aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
      <div className="space-y-1">
        <p>This VM is paused until somebody answers a question on {hostName}:</p>
        <p className="whitespace-pre-wrap">{question.text}</p>
        {question.choices.length === 0 ? null : <p>Choices: {question.choices.join(" · ")}</p>}
      </div>
    </div>
  );
}
