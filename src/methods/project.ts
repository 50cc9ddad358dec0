import * as z from 'zod'
import { productVersion, protocolVersion } from '../../protocol/version.ts'
import { method, params } from './method.ts'
import { Stats } from './stats-values.ts'

export const info = method({
  summary: 'Where the project lies, and which versions are at work.',
  access: 'read',
  params: params({}),
  result: z.object({
    path: z.string(),
    pid: z.int(),
    version: z.string(),
    protocolVersion: z.string(),
    sqliteVersion: z.string(),
    databases: z.int(),
    durability: z.string(),
  }),
  refusals: [],
  handle: ({ engine }) => ({
    path: engine.parts.layout.project,
    pid: process.pid,
    version: productVersion,
    protocolVersion,
    sqliteVersion: engine.sqliteVersion,
    databases: engine.databases.length,
    durability: engine.parts.config.durability,
  }),
})

export const stats = method({
  summary:
    'What the daemon is doing: sessions, open files, memory, calls with their errors and times by method and by lane, and the statements that took long.',
  access: 'read',
  params: params({}),
  result: Stats,
  refusals: [],
  handle: ({ daemon }) => daemon.stats(),
})
