import manifest from "../package.json" with { type: "json" };

/** Version of this tree, as package.json says it. */
export const productVersion: string = manifest.version;
