import { setTimeout as sleep } from 'node:timers/promises'
import type { ResultOf } from '../client/client.ts'
import type { Context } from './context.ts'

const msBetweenLooks = 250

/** The status of a branch once its files have followed, or those that are left wait for something else. */
export function followed(context: Context, name: string | undefined): Promise<ResultOf<'branch.status'>> {
  return context.output.withProgress(async ({ onProgress }) => {
    const client = await context.client()
    let last: number | undefined
    for (;;) {
      const status = await client.request('branch.status', { name })
      const { total, atHead, behind, shared, failed, locked } = status.files
      // How many wait is counted when they are passed: it may be of an earlier time.
      const hasSettled = behind === 0 || (behind <= shared && atHead === last)
      if (hasSettled) return status
      last = atHead
      onProgress?.({ stage: 'follow', done: atHead, total: total - failed - locked })
      await sleep(msBetweenLooks)
    }
  })
}
