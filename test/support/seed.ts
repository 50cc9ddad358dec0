/** The seed of this run's random tests. They tell it; `CINCH_SEED` makes them do the same again. */
export const seed = Number(process.env.CINCH_SEED ?? Date.now() & 0x7fff_ffff)
