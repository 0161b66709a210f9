/**
 * What a program or thread that is started from here learns of this process's environment: variables that are named, and
 * nothing else. Settings and secrets (DATABASE_URL, NEXTAUTH_SECRET, SUPRAVISOR_SECRET_KEY, …) stay with this process.
 *
 * Plain JavaScript, because bin/prepare.mjs needs it before the Node that takes types off is installed.
 */

/** What any program needs to run as this user, in his language, with his folders. A star stands for any ending. */
const COMMON = [
  ...["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR"],
  ...["XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"],
  // Windows
  ...["SystemRoot", "SystemDrive", "windir", "ComSpec", "PATHEXT", "OS", "TEMP", "TMP", "USERNAME", "USERPROFILE"],
  ...["HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA", "ProgramData", "ProgramFiles", "ProgramFiles(x86)"],
  ...["ProgramW6432", "CommonProgramFiles", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE"],
];

/** VirtualBox's own: where its settings lie, which of its servers it speaks to. */
const VIRTUALBOX = ["VBOX_*"];

/** What the work in threads reads (README, Settings). */
const THREAD = [
  ...["NODE_ENV", "UV_THREADPOOL_SIZE", "SUPRAVISOR_DATA_DIR", "SUPRAVISOR_TRANSFER_PORTS"],
  ...["SUPRAVISOR_VBOXMANAGE", "SUPRAVISOR_NATIVE_CODECS", ...VIRTUALBOX],
];

/** What npm and the build of the pages need: the way to the registry, and how they show their progress. */
const BUILD = [
  ...["npm_config_*", "NODE_EXTRA_CA_CERTS", "NODE_OPTIONS", "SSL_CERT_FILE", "SSL_CERT_DIR"],
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "CI", "TERM", "NO_COLOR", "FORCE_COLOR"],
];

/**
 * @param {readonly string[]} names
 * @param {NodeJS.ProcessEnv} from
 * @returns {NodeJS.ProcessEnv}
 */
function named(names, from) {
  // Windows does not tell capitals apart, and proxies and npm are named either way everywhere.
  const plain = new Set(names.filter((name) => !name.endsWith("*")).map((name) => name.toLowerCase()));
  const starts = names.filter((name) => name.endsWith("*")).map((name) => name.slice(0, -1).toLowerCase());
  const found = /** @type {NodeJS.ProcessEnv} */ ({});
  for (const [name, value] of Object.entries(from)) {
    const low = name.toLowerCase();
    if (value !== undefined && (plain.has(low) || starts.some((start) => low.startsWith(start)))) found[name] = value;
  }
  return found;
}

/**
 * For a program of this machine. `extra` comes on top.
 * @param {Readonly<Record<string, string>>} [extra]
 * @returns {NodeJS.ProcessEnv}
 */
export function programEnvironment(extra = {}) {
  return { ...named([...COMMON, ...VIRTUALBOX], process.env), ...extra };
}

/**
 * For a worker thread of ours, which reads images that nobody vouches for.
 * @returns {NodeJS.ProcessEnv}
 */
export function threadEnvironment() {
  return named([...COMMON, ...THREAD], process.env);
}

/**
 * For npm and the build: both run code of packages.
 * @param {Readonly<Record<string, string>>} [extra]
 * @returns {NodeJS.ProcessEnv}
 */
export function buildEnvironment(extra = {}) {
  return { ...named([...COMMON, ...BUILD], process.env), ...extra };
}

/**
 * For this product itself, started once more by its own launcher: the settings are meant for it. What is set already
 * stays before `usual`.
 * @param {Readonly<Record<string, string>>} usual
 * @returns {NodeJS.ProcessEnv}
 */
export function ownEnvironment(usual) {
  return { ...usual, ...process.env };
}
