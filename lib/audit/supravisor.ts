/** The actor of what nobody asked for at that moment: the end of a job, a repair, a sweep. */
export const SUPRAVISOR = { id: null, name: "Supravisor", role: null, via: "system", address: null } as const;
