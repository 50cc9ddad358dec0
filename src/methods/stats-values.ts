import * as z from 'zod'
import { laneNames } from '../../protocol/lanes.ts'

const latency = {
  calls: z.int(),
  p50Ms: z.number(),
  p90Ms: z.number(),
  p99Ms: z.number(),
  maxMs: z.number(),
}

const Latency = z.object(latency).meta({
  id: 'Latency',
  description: 'How long calls took, from being taken up to the answer; a percentile is at most an eighth too high',
})

const SlowStatement = z
  .object({
    at: z.string(),
    request: z.string().describe('the session’s number and the request’s id, as in the log'),
    database: z.string(),
    branch: z.string(),
    tenant: z.string(),
    sql: z.string().describe('as the client wrote it, without bound parameters; cut where it is long'),
    lane: z.enum(laneNames),
    ms: z.number(),
    rows: z.int().nullable().describe('returned, or changed; null where it did not come to an end'),
    plan: z.array(z.string()).readonly().describe('a step a line, indented below the step it belongs to'),
  })
  .meta({ id: 'SlowStatement' })

/** What the daemon tells of itself. */
export const Stats = z.object({
  uptimeMs: z.number(),
  sessions: z.int(),
  sessionsStarted: z.int().describe('since the daemon started'),
  inFlight: z.int().describe('requests that are not answered yet'),
  transactions: z.int().describe('open ones, of all sessions'),
  cursors: z.int().describe('open ones, of all sessions'),
  openFiles: z.int(),
  filesOpened: z.int().describe('since the daemon started'),
  logBytes: z.int().describe('of the write-ahead logs of open files'),
  checkpoints: z.int().describe('how often a write-ahead log was brought into its file'),
  residentBytes: z.int(),
  heapBytes: z.int(),
  externalBytes: z.int(),
  requests: z.record(
    z.string(),
    z.object({
      ...latency,
      errors: z.record(z.string(), z.int()).describe('by kind'),
      lanes: z.partialRecord(z.enum(laneNames), Latency).optional().describe('where calls ran in more than one'),
    }),
  ),
  lanes: z.object({ inline: Latency, process: Latency }).describe('calls by where their statements ran'),
  plugins: z
    .record(z.string(), z.object({ calls: z.int(), failures: z.int(), skipped: z.int(), restarts: z.int() }))
    .describe('by name; plugin.list tells more'),
  slowStatements: z.object({
    thresholdMs: z.int(),
    count: z.int(),
    last: z.array(SlowStatement).readonly().describe('the latest first'),
  }),
})
