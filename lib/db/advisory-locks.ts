/**
 * Numbers of the advisory locks. They stand in one place because one lock that is taken for two purposes waits for
 * itself: the console holds its claim for as long as it runs.
 */
export const ADVISORY_LOCKS = {
  /** Servers that start together migrate one after another. */
  migration: 7_245_001,
  /** Entries of the audit trail are chained. */
  audit: 7_245_002,
  /** One console per database, for as long as it runs. */
  console: 7_245_003,
  administrators: 7_245_004,
  settings: 7_245_005,
  setup: 7_245_006,
  libraryCheck: 7_245_011,
} as const;
