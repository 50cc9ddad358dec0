/**
 * Where a statement runs: on the daemon's own thread, or in a process of its own, which can be ended at any time.
 */
export const laneNames = ['inline', 'process'] as const
export type LaneName = (typeof laneNames)[number]
