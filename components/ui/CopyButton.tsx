"use client";
import { Check, Copy } from "lucide-react";
import { useEffect, useState, type ReactNode } from "react";
import { IconButton } from "./IconButton.tsx";

/** Copies a text and says so for two seconds. Clipboards exist only on secure pages: elsewhere the text is to be selected. */
export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }): ReactNode {
  const [said, setSaid] = useState<"copied" | "failed" | null>(null);
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(null), 2_000);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("copied");
    } catch {
      setSaid("failed");
    }
  };
  return (
    <>
      <IconButton
        label={
          said === "copied"
            ? "Copied"
            : said === "failed"
              ? "This browser does not allow copying: select the text"
              : label
        }
        size="sm"
        onClick={() => void copy()}
      >
        {said === "copied" ? <Check aria-hidden className="text-ok" /> : <Copy aria-hidden />}
      </IconButton>
      <span role="status" className="sr-only">
        {said === "copied" ? "Copied" : said === "failed" ? "Copying failed" : ""}
      </span>
    </>
  );
}
