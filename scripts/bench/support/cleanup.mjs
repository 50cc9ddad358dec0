import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** What has to be undone however the bench ends. Each is synchronous, since a signal leaves no time for more. */
const undos = new Set()

/** @param {() => void} undo @returns {() => void} undo it now, and no more at the end */
export function atEnd(undo) {
  undos.add(undo)
  return () => {
    if (undos.delete(undo)) undo()
  }
}

export function cleanUp() {
  for (const undo of [...undos].reverse()) {
    undos.delete(undo)
    try {
      undo()
    } catch (error) {
      console.error(error)
    }
  }
}

/** A folder that goes when the bench ends. On the disk, not in memory: durability is part of what is measured. */
export function temporaryFolder(name) {
  const folder = fs.mkdtempSync(path.join(process.env.CINCH_BENCH_TMP ?? os.tmpdir(), `cinch-bench-${name}-`))
  atEnd(() => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }))
  return folder
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    cleanUp()
    process.exit(1)
  })
}
process.on('exit', cleanUp)
