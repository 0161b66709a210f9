/** Modes of everything below the data folder: for the account that runs Supravisor alone, whatever its umask allows. */
export const OWN_FILE = 0o600;
export const OWN_FOLDER = 0o700;
