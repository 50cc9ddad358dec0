import * as z from 'zod'
import { productVersion, protocolVersion } from '../../protocol/version.ts'
import { method, params } from './method.ts'

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
  summary: 'What the daemon is doing: uptime, sessions, open files, memory, requests by method.',
  access: 'read',
  params: params({}),
  result: z.object({
    uptimeMs: z.number(),
    sessions: z.int(),
    openFiles: z.int(),
    residentBytes: z.int(),
    requests: z.record(
      z.string(),
      z.object({ count: z.int(), failed: z.int(), totalMs: z.number(), maxMs: z.number() }),
    ),
  }),
  refusals: [],
  handle: ({ daemon }) => daemon.stats() as never,
})
