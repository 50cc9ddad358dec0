import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { afterTurn, endTurn, isAlone, nextTurn } from '../../src/base/turn.ts'

const [one, other] = [{}, {}]
const done: string[] = []
const immediate = () => new Promise(setImmediate)

/** What one connection has sent is taken up: something that is to be done afterwards. */
function turnOf(connection: object, name: string): void {
  nextTurn(connection)
  afterTurn(() => done.push(name))
  endTurn()
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
  done.length = 0
  nextTurn({})
  endTurn()
})
afterEach(async () => {
  await immediate()
  vi.useRealTimers()
})

test('what is to be done after a turn waits until everybody was heard', async () => {
  turnOf(one, 'one')
  turnOf(other, 'other')
  expect(done).toEqual([])
  await immediate()
  expect(done).toEqual(['one', 'other'])
})

test('who was alone for a while waits for nobody', () => {
  turnOf(one, 'first')
  vi.advanceTimersByTime(200)
  turnOf(one, 'second')
  expect([isAlone(), done]).toEqual([true, ['second']])
})

test('with somebody else there, nobody is alone', async () => {
  turnOf(one, 'first')
  vi.advanceTimersByTime(200)
  turnOf(other, 'other')
  turnOf(one, 'second')
  expect([isAlone(), done]).toEqual([false, []])
  await immediate()
  expect(done).toEqual(['first', 'other', 'second'])
})

test('what comes up outside of a turn waits for the next one to pass', async () => {
  nextTurn(one)
  vi.advanceTimersByTime(200)
  nextTurn(one)
  endTurn()
  afterTurn(() => done.push('late'))
  expect(done).toEqual([])
  await immediate()
  expect(done).toEqual(['late'])
})
