/** What finding an operating system needs of a file system that can be read. */
export interface FileReader {
  /** Contents of a file of at most 1 MiB; null when it is not there, larger, or unreadable. */
  readFile(path: string): Promise<Buffer | null>;
  exists(path: string): Promise<boolean>;
}
