#!/usr/bin/env node
import process from 'node:process'
import { productVersion } from '../protocol/version.ts'

const args = process.argv.slice(2)
if (args.length === 1 && args[0] === '--version') {
  // Asked by scripts, often: answered before anything else is loaded.
  process.stdout.write(`${productVersion}\n`)
} else {
  const { main } = await import('./cli/main.ts')
  process.exitCode = await main(args)
}
