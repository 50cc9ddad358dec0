import type { ChildProcess } from 'node:child_process'
import { afterAll, afterEach } from 'vitest'

type Work = () => unknown

/**
 * What has to be put away when a test, or a whole file, is through. Importing this module is what makes that happen, and
 * what makes a test fail that leaves a process behind.
 */
const afterTest: Work[] = []
const afterFile: Work[] = []
const children = new Map<ChildProcess, string>()

/** Run `work` when the test is through, the last one first. */
export function defer(work: Work): void {
  afterTest.push(work)
}

/** Run `work` when every test of the file is through, the last one first. */
export function deferToEnd(work: Work): void {
  afterFile.push(work)
}

/** A process that has to be gone when the test, or with `forFile` the file, is through. */
export function watchChild(child: ChildProcess, name: string): void {
  children.set(child, name)
  child.once('exit', () => children.delete(child))
}

async function runAll(works: Work[]): Promise<void> {
  const errors: unknown[] = []
  for (let work = works.pop(); work; work = works.pop()) {
    try {
      await work()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors.length === 1 ? errors[0] : new AggregateError(errors, 'clean-up failed')
}

function requireNoChildren(): void {
  const left = [...children]
  for (const [child] of left) child.kill('SIGKILL')
  children.clear()
  if (left.length > 0) throw new Error(`left running: ${left.map(([{ pid }, name]) => `${name} (${pid})`).join(', ')}`)
}

afterEach(async () => {
  await runAll(afterTest)
  if (afterFile.length === 0) requireNoChildren()
})

afterAll(async () => {
  await runAll(afterFile)
  requireNoChildren()
})
