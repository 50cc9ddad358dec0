import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Layout } from '../../src/storage/layout.ts'
import { watchChild } from '../support/cleanup.ts'

const program = fileURLToPath(new URL('counter.mjs', import.meta.url))

/** A process that adds 1 to a key so many times; gives the values that it was told. */
export async function startCounter(layout: Layout, key: string, times: number): Promise<number[]> {
  const { socket } = JSON.parse(fs.readFileSync(layout.discovery, 'utf8')) as { socket: string }
  const child = spawn(process.execPath, [program, socket, key, String(times)])
  watchChild(child, 'counter')
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (text) => {
    stdout += text
  })
  child.stderr.on('data', (text) => {
    stderr += text
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Error(`a counter ended with ${code}: ${stderr}`)
  return JSON.parse(stdout)
}
