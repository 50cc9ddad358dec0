import * as z from 'zod'
import { method, params } from './method.ts'

export const stop = method({
  summary: 'Stop the daemon in good order: finish or cancel calls, close files, let go of the project.',
  access: 'session',
  params: params({}),
  result: z.object({}),
  refusals: [],
  handle: ({ daemon }) => {
    daemon.stop()
    return {}
  },
})
