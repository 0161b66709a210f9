/** Names of folders and a file below the package, none of which leads up or elsewhere. */
export function isPlainPath(path: string): boolean {
  return (
    !/[\\\0]/.test(path) &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && part.length <= 255)
  );
}
