/** The look that text fields and selects share. */
export const CONTROL =
  "w-full min-w-0 rounded-md border border-line-strong bg-surface text-sm text-ink transition-colors disabled:cursor-not-allowed disabled:bg-sunken disabled:text-ink-3 aria-invalid:border-bad";
