import { test } from 'vitest'
import { startDaemon } from '../support/daemon.ts'
import { chinook, expectGolden, makeNasty } from './schemas.ts'

test('the Java code of a schema that makes generators stumble is as it was', async () => {
  const { client } = await startDaemon()
  await makeNasty(client)
  await expectGolden(client, 'java', 'nasty')
})

test.runIf(chinook)('the Java code of Chinook is as it was', async () => {
  const { client } = await startDaemon()
  await client.call('tenant.import', { name: 'main', path: chinook })
  await expectGolden(client, 'java', 'chinook')
})
