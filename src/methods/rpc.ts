import * as z from 'zod'
import { method, params } from './method.ts'

export const discover = method({
  summary: 'Describe every method as an OpenRPC document.',
  access: 'session',
  params: params({}),
  result: z.looseObject({ openrpc: z.string() }),
  refusals: [],
  handle: ({ daemon }) => daemon.discover() as { openrpc: string },
})
