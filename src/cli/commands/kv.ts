import fs from 'node:fs'
import type { ParamsOf, ResultOf } from '../../client/client.ts'
import { type Command, call, command, confirmed, optional, required, text, unlocked, yesOption } from '../command.ts'
import { duration, durationHelp, parseDuration } from '../duration.ts'
import { CliError, UsageError } from '../errors.ts'
import { argumentOrInput } from '../input.ts'
import { limitOption, wholeNumber } from '../limit.ts'
import { visible } from '../style.ts'
import { parseJson, parseValue, splitPair, valueText } from '../values.ts'

type Item = ParamsOf<'kv.mset'>['items'][number]
type Entry = ResultOf<'kv.scan'>['entries'][number]

const key = required('the key')
const keys = { type: 'string', array: true, demandOption: true, describe: 'keys' } as const
const pattern = optional('* is any text, ? one character, [a-z] one of these, [^a] none of these; default: *')
const cursor = text('nextCursor of the page before')
const ttl = duration('the key expires after it')
const valueHelp = 'JSON, or else text; - reads standard input'
const pageSize = 10_000

const commands: readonly Command[] = [
  command(
    'set <key> <value>',
    'Set a key; exits with 1 where a condition does not hold',
    (parser) =>
      parser
        .positional('key', key)
        .positional('value', required(valueHelp))
        .option('text', {
          type: 'boolean',
          default: false,
          describe: 'the value is text as it stands, whatever it looks like',
        })
        .option('ttl', ttl)
        .option('keep-ttl', { type: 'boolean', default: false, describe: 'a key that is there keeps its time' })
        .option('if-absent', { type: 'boolean', default: false, describe: 'only if it is not there' })
        .option('if-present', { type: 'boolean', default: false, describe: 'only if it is there' })
        .option('if-version', {
          ...wholeNumber('if-version', 0),
          describe: 'only if it has this version; 0: if it is not there',
        }),
    async (context, args) => {
      const { key, ttl: ttlMs, keepTtl, ifAbsent, ifPresent, ifVersion } = args
      const given = await argumentOrInput(args.value)
      const value = args.text ? given : parseKvValue(given)
      const was = await context.call('kv.set', { key, value, ttlMs, keepTtl, ifAbsent, ifPresent, ifVersion })
      if (!was.set) {
        throw new CliError('notSet', 'Not set', {
          data: { key, version: was.version },
          hint: was.version === 0 ? 'the key is not there' : `the key is there, with version ${was.version}`,
        })
      }
      context.output.result(was, () => context.output.note(`Set ${visible(key)} (version ${was.version}).`))
    },
  ),
  command(
    'get <key>',
    'Print the value of a key; exits with 1 where it is not there',
    (parser) => parser.positional('key', key),
    async (context, { key }) => {
      const got = await context.call('kv.get', { key })
      if (!got.found) refuseKey(key)
      context.output.result(got, () => context.output.line(kvText(got.value)))
    },
  ),
  command(
    'mset [items..]',
    'Set several keys, all or none: KEY=VALUE, or --file',
    (parser) =>
      parser
        .positional('items', { type: 'string', array: true, describe: `KEY=VALUE, with the value as ${valueHelp}` })
        .option(
          'file',
          text('a JSON object of keys and values, or {"key", "value", "ttlMs"} one a line; - reads standard input'),
        )
        .option('ttl', ttl),
    async (context, { items: pairs = [], file, ttl: ttlMs }) => {
      if ((file === undefined) === (pairs.length === 0)) throw new UsageError('mset takes KEY=VALUE, or --file alone')
      const items = file === undefined ? pairs.map(parsePair) : parseItems(await readText(file), file)
      const was = await context.call('kv.mset', { items, ttlMs })
      context.output.result(was, () => context.output.note(`Set ${counted(was.count)}.`))
    },
  ),
  command(
    'mget <keys..>',
    'Print the values of several keys',
    (parser) => parser.positional('keys', keys),
    async (context, { keys }) => {
      const { output } = context
      const answer = await context.call('kv.mget', { keys })
      output.result(answer, () => {
        const rows = answer.values.map((got, at) => [keys[at], got.found ? kvText(got.value) : null])
        output.table(['key', 'value'], rows)
      })
    },
  ),
  command(
    'delete <keys..>',
    'Delete keys',
    (parser) => yesOption(parser.positional('keys', keys)),
    confirmed(
      ({ keys }) => `Delete ${counted(keys.length)}? There is no way back.`,
      call(
        'kv.delete',
        ({ keys }) => ({ keys }),
        (output, { count }) => output.note(`Deleted ${counted(count)}.`),
      ),
    ),
  ),
  command(
    'exists <key>',
    'Tell whether a key is there',
    (parser) => parser.positional('key', key),
    call(
      'kv.exists',
      ({ key }) => ({ key }),
      (output, { exists }) => output.line(String(exists)),
    ),
  ),
  command(
    'keys [pattern]',
    'List keys in the order of their characters',
    (parser) =>
      limitOption(parser, 'how many, at most 10000; default: all')
        .positional('pattern', pattern)
        .option('cursor', cursor),
    async (context, { pattern, limit, cursor }) => {
      const { output } = context
      const found: string[] = []
      const nextCursor = await eachPage(limit, cursor, async (limit, cursor) => {
        const { keys, nextCursor } = await context.call('kv.keys', { pattern, limit, cursor })
        found.push(...keys)
        return { count: keys.length, nextCursor }
      })
      output.result({ keys: found, nextCursor }, () => {
        for (const key of found) output.line(visible(key))
        if (nextCursor !== undefined) output.note(`There may be more: --cursor ${JSON.stringify(nextCursor)}`)
      })
    },
  ),
  command(
    'scan [pattern]',
    'List keys with their values',
    (parser) =>
      limitOption(parser, 'how many, at most 10000; default: all')
        .positional('pattern', pattern)
        .option('cursor', cursor)
        .option('ndjson', { type: 'boolean', default: false, describe: 'one a line, as mset --file takes them' }),
    async (context, { pattern, limit, cursor, ndjson }) => {
      const { output } = context
      const found: Entry[] = []
      const nextCursor = await eachPage(limit, cursor, async (limit, cursor) => {
        const { entries, nextCursor } = await context.call('kv.scan', { pattern, limit, cursor })
        if (ndjson) for (const entry of entries) output.line(JSON.stringify(itemOf(entry)))
        else found.push(...entries)
        return { count: entries.length, nextCursor }
      })
      if (!ndjson) {
        output.result({ entries: found, nextCursor }, () => {
          const rows = found.map(({ key, value, version, ttlMs }) => [key, kvText(value), version, ttlMs])
          output.table(['key', 'value', 'version', 'ttl in ms'], rows)
        })
      }
      if (nextCursor !== undefined) output.note(`There may be more: --cursor ${JSON.stringify(nextCursor)}`)
    },
  ),
  command(
    'count [pattern]',
    'Count keys',
    (parser) => parser.positional('pattern', pattern),
    call(
      'kv.count',
      ({ pattern }) => ({ pattern }),
      (output, { count }) => output.line(String(count)),
    ),
  ),
  command(
    'increment <key> [by]',
    'Add to a number, and print the new one; a key that is not there begins at 0',
    (parser) =>
      parser
        .positional('key', key)
        .positional('by', optional('default: 1'))
        .option('ttl', duration('a key that begins with this expires after it')),
    call(
      'kv.increment',
      ({ key, by, ttl: ttlMs }) => ({ key, by: by === undefined ? undefined : parseValue(by), ttlMs }),
      (output, { value }) => output.line(kvText(value)),
    ),
  ),
  command(
    'ttl <key>',
    'Tell how many ms a key has left; exits with 1 where it is not there',
    (parser) => parser.positional('key', key),
    async (context, { key }) => {
      const answer = await context.call('kv.ttl', { key })
      if (!answer.found) refuseKey(key)
      context.output.result(answer, () => context.output.line(String(answer.ttlMs ?? 'never expires')))
    },
  ),
  command(
    'expire <key> <ttl>',
    'Have a key expire; exits with 1 where it is not there',
    (parser) => parser.positional('key', key).positional('ttl', required(durationHelp)),
    async (context, { key, ttl }) => {
      const answer = await context.call('kv.expire', { key, ttlMs: parseDuration(ttl) })
      if (!answer.found) refuseKey(key)
      context.output.result(answer, () => context.output.note(`${visible(key)} expires in ${ttl}.`))
    },
  ),
  command(
    'persist <key>',
    'Have a key not expire any more',
    (parser) => parser.positional('key', key),
    call(
      'kv.persist',
      ({ key }) => ({ key }),
      (output, { persisted }, { key }) =>
        output.note(persisted ? `${visible(key)} does not expire any more.` : 'Nothing to do.'),
    ),
  ),
  command(
    'size [keys..]',
    'Tell how many bytes keys and their values take up; default: all',
    (parser) => parser.positional('keys', { type: 'string', array: true, describe: 'only of these' }),
    call(
      'kv.size',
      ({ keys }) => ({ keys: keys === undefined || keys.length === 0 ? undefined : keys }),
      (output, { bytes, sizes }, { keys = [] }) => {
        if (sizes === undefined) output.line(String(bytes))
        else
          output.table(
            ['key', 'bytes'],
            sizes.map((each, at) => [keys[at], each]),
          )
      },
    ),
  ),
  command(
    'purge',
    'Remove keys that have expired now, rather than in the background',
    (parser) => parser,
    call(
      'kv.purge',
      () => ({}),
      (output, { count }) => output.note(`Removed ${counted(count)}.`),
    ),
  ),
]

export const kv = commands.map((command) => ({ ...command, run: unlocked(command.run) }))

/** Page after page up to `limit`, or to the end; gives where it would go on. */
async function eachPage(
  limit: number | undefined,
  start: string | undefined,
  page: (limit: number, cursor: string | undefined) => Promise<{ count: number; nextCursor?: string }>,
): Promise<string | undefined> {
  let cursor = start
  for (let left = limit ?? Number.POSITIVE_INFINITY; left > 0; ) {
    const { count, nextCursor } = await page(Math.min(left, pageSize), cursor)
    cursor = nextCursor
    if (cursor === undefined) break
    left -= count
  }
  return cursor
}

function refuseKey(key: string): never {
  throw new CliError('keyNotFound', 'No such key', { data: { key } })
}

function parseKvValue(text: string): unknown {
  if (!/^[[{]/.test(text)) return parseValue(text)
  try {
    return parseJson(text)
  } catch {
    return text
  }
}

function kvText(value: unknown): string {
  const isPlain = typeof value === 'object' && value !== null && Object.keys(value).length !== 1
  return isPlain ? JSON.stringify(value) : valueText(value)
}

function parsePair(pair: string): Item {
  const split = splitPair(pair)
  if (!split) throw new UsageError(`${pair}: it is KEY=VALUE`)
  return { key: split.name, value: parseKvValue(split.text) }
}

async function readText(file: string): Promise<string> {
  return file === '-' ? argumentOrInput(file) : fs.readFileSync(file, 'utf8')
}

/** A JSON object of keys and values, or items: a list of them, or one a line. */
function parseItems(text: string, file: string): Item[] {
  try {
    const parsed = parseJson(text)
    if (Array.isArray(parsed)) return parsed
    const isItem = Object.keys(parsed as object).every((name) => ['key', 'value', 'ttlMs'].includes(name))
    if (isItem && 'key' in (parsed as object) && 'value' in (parsed as object)) return [parsed as Item]
    return Object.entries(parsed as object).map(([key, value]) => ({ key, value }))
  } catch (error) {
    const lines = text.split('\n').filter((line) => line.trim() !== '')
    if (lines.length < 2) throw new UsageError(`${file} is not JSON: ${(error as Error).message}`)
    return lines.map((line, at) => {
      try {
        return parseJson(line) as Item
      } catch (error) {
        throw new UsageError(`${file} is neither JSON nor JSON a line; line ${at + 1}: ${(error as Error).message}`)
      }
    })
  }
}

function itemOf({ key, value, ttlMs }: Entry): Item {
  return ttlMs === null ? { key, value } : { key, value, ttlMs }
}

function counted(count: number): string {
  return count === 1 ? '1 key' : `${count} keys`
}
