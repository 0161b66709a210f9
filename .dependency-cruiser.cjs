/** Imports run one way. Each fence says what to do instead. */
const notTest = "\\.(test|spec)\\.ts$";
/** Layers from the ground up; a layer may import itself and what stands before it. */
const fence = (name, comment, from, to) => ({
  name,
  comment,
  severity: "error",
  from: { pathNot: notTest, ...from },
  to,
});

module.exports = {
  forbidden: [
    fence(
      "no-circular",
      "Two modules that need each other are one idea or have a third one between them.",
      {},
      { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    ),
    fence(
      "lib-knows-no-pages",
      "lib never imports app or components: move what both need down into lib.",
      { path: "^lib/" },
      { path: "^(app|components)/" },
    ),
    fence(
      "domain-is-the-ground",
      "lib/domain imports only zod and itself.",
      { path: "^lib/domain/" },
      { pathNot: "^(lib/domain/|node_modules/zod)", dependencyTypesNot: ["core"] },
    ),
    fence(
      "disk-stands-low",
      "lib/disk knows bytes and formats; hosts, database and services stand above it.",
      { path: "^lib/disk/" },
      { path: "^lib/(?!disk/|domain/|errors\\.ts|format/)" },
    ),
    fence(
      "format-knows-no-format",
      "A format never imports another one: what they share belongs in lib/disk.",
      { path: "^lib/disk/formats/([^/]+)/" },
      { path: "^lib/disk/formats/([^/]+)/", pathNot: "^lib/disk/formats/$1/" },
    ),
    fence(
      "guest-reads-disks",
      "lib/guest reads block sources and nothing else.",
      { path: "^lib/guest/" },
      { path: "^lib/(?!guest/|disk/|domain/|errors\\.ts)" },
    ),
    fence(
      "wire-carries",
      "lib/wire is transports and encodings; it knows no vendor.",
      { path: "^lib/wire/" },
      { path: "^lib/(?!wire/|domain/|errors\\.ts|disk/)" },
    ),
    fence(
      "hypervisor-has-no-database",
      "Adapters speak to hosts; rows are made above them.",
      { path: "^lib/hypervisor/" },
      { path: "^lib/(?!hypervisor/|wire/|disk/|guest/|domain/|errors\\.ts|format/|process/)" },
    ),
    fence(
      "vendor-knows-no-vendor",
      "Vendors never import one another; libvirt/ is shared.",
      { path: "^lib/hypervisor/(kvm|xen|xapi|vmware|hyperv|virtualbox|demo)/" },
      { path: "^lib/hypervisor/(kvm|xen|xapi|vmware|hyperv|virtualbox|demo)/", pathNot: "^lib/hypervisor/$1/" },
    ),
    fence(
      "preflight-is-pure",
      "Preflight runs in the browser too: domain only.",
      { path: "^lib/preflight/" },
      { path: "^lib/(?!preflight/|domain/|format/|errors\\.ts)" },
    ),
    fence(
      "jobs-know-no-work",
      "lib/jobs runs handlers that the composition roots give it.",
      { path: "^lib/jobs/" },
      { path: "^lib/(provisioning|library|inventory|hypervisor|api|server|worker)/" },
    ),
    fence(
      "work-knows-no-services",
      "library, inventory and provisioning stand below the services.",
      { path: "^lib/(library|inventory|provisioning|transfer)/" },
      { path: "^lib/(api|presenters|server|worker)/" },
    ),
    fence(
      "services-know-no-http",
      "A use case knows nothing of HTTP.",
      { path: "^lib/services/" },
      { path: "^lib/(api|server|worker)/" },
    ),
    fence(
      "api-goes-through-services",
      "Routes parse, call a service and present: no database, no host.",
      { path: "^lib/api/" },
      { path: "^lib/(hypervisor|provisioning)/|^lib/db/schema/" },
    ),
    fence(
      "components-stay-in-the-browser",
      "Components import domain, preflight, format, lib/http and one another.",
      { path: "^components/" },
      { path: "^lib/(?!domain/|http/|format/|preflight/|errors\\.ts|version\\.ts)" },
    ),
    fence(
      "no-dev-dependency-in-product",
      "The product runs without development dependencies.",
      {
        path: "^(lib|app|components|bin)/",
        pathNot: "(\\.(test|spec)\\.ts$|^lib/hypervisor/contract\\.ts$|^lib/testing/|^lib/db/testing\\.ts$)",
      },
      { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
    ),
    fence("no-unresolvable", "This import leads nowhere.", {}, { couldNotResolve: true, pathNot: "^node:" }),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(\\.next|data|e2e)/|\\.css$" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "default", "types"],
      extensions: [".ts", ".tsx", ".js", ".mjs", ".json"],
    },
  },
};
