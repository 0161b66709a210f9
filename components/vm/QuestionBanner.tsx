import { CircleQuestionMark } from "lucide-react";
import type { ReactNode } from "react";
import type { VmQuestion } from "#lib/domain/inventory.ts";

/** What the machine waits for: nobody can answer it from here. */
export function QuestionBanner({ question, hostName }: { question: VmQuestion; hostName: string }): ReactNode {
  return (
    <div role="status" className="flex items-start gap-2 rounded-md border border-warn/50 bg-warn-weak px-3 py-2">
      <CircleQuestionMark aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
      <div className="space-y-1">
        <p>This virtual machine stands still until somebody answers its question on {hostName}:</p>
        <p className="whitespace-pre-wrap">{question.text}</p>
        {question.choices.length === 0 ? null : <p>Choices: {question.choices.join(" · ")}</p>}
      </div>
    </div>
  );
}
