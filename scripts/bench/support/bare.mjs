import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { atEnd, temporaryFolder } from './cleanup.mjs'
import { LineClient } from './line-client.mjs'
import { openBare, sqliteTable } from './rows.mjs'

const program = fileURLToPath(new URL('../bare-loop.mjs', import.meta.url))

/**
 * A bare socket loop over one statement, on a file of its own.
 *
 * @param {{ sql: string, synchronous?: 'normal' | 'full' }} options
 * @returns the loop: its `client`, `db` as this process has it open, and `stop`
 */
export async function startBare({ sql, synchronous = 'normal' }) {
  const folder = temporaryFolder('bare')
  const file = path.join(folder, 'bare.db')
  const socket = path.join(folder, 's')
  const db = openBare(file)
  db.exec(sqliteTable)
  const child = spawn(process.execPath, [program, file, socket, sql, synchronous], { stdio: 'inherit' })
  const kill = atEnd(() => child.kill('SIGKILL'))
  for (let tries = 0; !fs.existsSync(socket) && tries < 500; tries++) await sleep(20)
  const client = await LineClient.connect(socket)
  return {
    client,
    db,
    stop() {
      client.close()
      db.close()
      kill()
    },
  }
}
