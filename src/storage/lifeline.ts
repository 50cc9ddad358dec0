import { Worker } from 'node:worker_threads'

/** Where a process finds the pipe that ends with the daemon. */
export const lifelineDescriptor = 4

/**
 * Have this process end in the moment in which the daemon does. What runs keeps this thread, so another one waits for the
 * end of the pipe.
 */
export function endWithDaemon(): void {
  new Worker(watch, { eval: true }).unref()
}

const watch = `
  try {
    require('node:fs').readSync(${lifelineDescriptor}, Buffer.alloc(1))
  } finally {
    process.kill(process.pid, 'SIGKILL')
  }
`
