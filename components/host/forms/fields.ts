import type { ReactNode } from "react";

export interface FieldsProps {
  /** Names of secrets that the server holds: an empty field keeps them. */
  stored: readonly string[];
}

/** The fields of one driver, inside the form's context. */
export type DriverFields = (props: FieldsProps) => ReactNode;
