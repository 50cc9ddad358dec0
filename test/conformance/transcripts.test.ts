import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { root } from '../e2e/foreign-support.ts'
import { startDaemon } from '../support/daemon.ts'
import { connectLine, framings, playOverSocket, transcripts } from './played.ts'
import { parseTranscript, play, type Step } from './transcripts.ts'

describe.each(framings)('over a socket, with %s', (framing) => {
  test.each(transcripts.map((transcript) => [transcript.name, transcript] as const))(
    '%s is answered as it says',
    { timeout: 120_000 },
    (_, transcript) => playOverSocket(transcript, framing),
  )
})

test('every noun of the protocol stands in a transcript', () => {
  const { methods } = JSON.parse(fs.readFileSync(path.join(root, 'protocol/openrpc.json'), 'utf8'))
  const nouns = new Set(methods.map(({ name }: { name: string }) => name.split('.')[0]))
  const sent = transcripts.flatMap(({ steps }) => steps.filter(({ mark }) => mark === '>').map(({ text }) => text))
  const spoken = new Set(sent.flatMap((text) => [...text.matchAll(/"method":"(\w+)/g)].map(([, noun]) => noun)))
  const left = [...nouns].filter((noun) => !spoken.has(noun as string))
  expect(left).toEqual([])
})

test('no answer is expected to be just anything', () => {
  for (const { name, steps } of transcripts) {
    for (const { mark, line, text } of steps) {
      if (mark !== '>') expect(text, `${name}:${line}`).not.toMatch(/"(result|error)":"</)
    }
  }
})

describe('a transcript that says something else fails, and shows both', () => {
  const ping = '> {"jsonrpc":"2.0","id":1,"method":"ping"}\n'
  const pong = '< {"jsonrpc":"2.0","id":1,"result":{}}\n'
  const ask = (sql: string, id = 1) => `> {"jsonrpc":"2.0","id":${id},"method":"query.run","params":{"sql":"${sql}"}}\n`
  const rows = (rows: string, id = 1) => `< {"jsonrpc":"2.0","id":${id},"result":{"columns":"<list>","rows":${rows}}}\n`

  test.each<[string, string, RegExp]>([
    [
      'another value',
      ask('select 1') + rows('[[2]]'),
      /t\.rpc:2: at result\.rows\[0\]\[0\]: 2 was expected, 1 found\n {2}expected: \{.*\[\[2\]\].*\n {2}found: {4}\{.*\[\[1\]\]/,
    ],
    ['another kind of value', ask('select 1') + rows('[["<string>"]]'), /"<string>" was expected, 1 found/],
    ['another id', ping + pong.replace('1', '2'), /t\.rpc:2: at id: 2 was expected, 1 found/],
    ['a member too few', ping + pong.replace('{}', '{"a":1}'), /at result: a is missing/],
    [
      'a member too many',
      `${ask('select 1')}< {"jsonrpc":"2.0","id":1,"result":{"rows":[[1]]}}`,
      /at result: columns was not expected/,
    ],
    ['a row too few', ask('select 1') + rows('[]'), /at result\.rows: 0 elements were expected, 1 found/],
    ['more rows than there are', ask('select 1') + rows('[[1],[2],"..."]'), /2 elements were expected, 1 found/],
    ['an error', `${ping}< {"jsonrpc":"2.0","id":1,"error":"<object>"}`, /result was not expected/],
    ['no answer', `${ping}${pong}${ping}`, /nothing more was expected\n {2}expected: end\n {2}found: {4}\{/],
    [
      'no message where one is expected',
      ping + pong + pong,
      /t\.rpc:3: nothing came for 0\.5 seconds\n {2}expected: \{/,
    ],
    [
      'a message where the end is',
      `${ping}> end\n${pong}${pong}`,
      /the connection has ended\n {2}expected: \{.*\n {2}found: {4}end/,
    ],
    ['the end', `${ping}< end`, /t\.rpc:2: .*\n {2}expected: end\n {2}found: {4}\{"jsonrpc"/],
    ['another order', ping + ask('select 7', 2) + rows('[[7]]', 2) + pong, /at id: 2 was expected, 1 found/],
    [
      'none of several',
      `${ping}~ {"jsonrpc":"2.0","id":2,"result":{}}\n~ {"jsonrpc":"2.0","id":3,"result":{}}`,
      /none of these/,
    ],
    [
      'another value than before',
      ask('select 1') + rows('[["<any:a>"]]') + ask('select 2') + rows('[["<a>"]]'),
      /1 was expected, 2 found/,
    ],
    ['a value that nobody captured', ask('select 1') + rows('[["<a>"]]'), /"<a>" was expected, 1 found/],
    [
      'what nobody captured',
      `> {"jsonrpc":"2.0","id":"<a>","method":"ping"}\n${pong}`,
      /t\.rpc:1: nothing is known as <a>/,
    ],
    [
      'another batch',
      `> [{"jsonrpc":"2.0","id":1,"method":"ping"}]\n< [{"jsonrpc":"2.0","id":2,"result":{}}]`,
      /none of the list is \{"jsonrpc":"2.0","id":2/,
    ],
    [
      'a longer batch',
      `> [{"jsonrpc":"2.0","id":1,"method":"ping"}]\n< [{"jsonrpc":"2.0","id":1,"result":{}},{}]`,
      /a list of 2 was expected/,
    ],
  ])('%s', async (_, text, message) => {
    const { layout } = await startDaemon()
    const played = play(parseTranscript('t.rpc', text), () => connectLine(layout.socket, 'lines', 500))
    await expect(played).rejects.toThrow(message)
  })

  test.each([
    ['expects nothing', ping, /expects nothing/],
    ['has a line that is none', `${ping}!${pong}`, /t\.rpc:2: this line makes no sense/],
    ['expects no JSON', `${ping}< {"jsonrpc":`, /t\.rpc:2: .*JSON/],
  ])('and so does one that %s', (_, text, message) => {
    expect(() => parseTranscript('t.rpc', text)).toThrow(message)
  })

  test.each(transcripts.map((transcript) => [transcript.name, transcript] as const))(
    '%s whose last message is another one',
    { timeout: 120_000 },
    async (name, { config, steps }) => {
      const at = steps.findLastIndex(({ mark, text }) => mark === '<' && text !== 'end')
      const { line, text } = steps[at] as Step
      const altered = steps.with(at, { ...(steps[at] as Step), text: text.replace('"2.0"', '"2.1"') })
      const played = playOverSocket({ name, config, steps: altered }, 'lines')
      await expect(played).rejects.toThrow(`${name}:${line}: at jsonrpc: "2.1" was expected, "2.0" found`)
    },
  )
})
