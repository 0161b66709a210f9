/** Where a domain finds its disk: a file, or a block device. */
export interface DiskPlace {
  readonly path: string;
  readonly block: boolean;
}
