import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ParamsOf, ResultOf } from '../../client/client.ts'
import { call, columnNames, command, required, text, texts } from '../command.ts'
import type { Context } from '../context.ts'
import { CliError, UsageError } from '../errors.ts'

type Files = ResultOf<'codegen.generate'>['files']

const msBetweenLooks = 500

export const codegen = [
  command(
    'languages',
    'List the languages that code is generated for',
    (parser) => parser,
    call(
      'codegen.languages',
      () => ({}),
      (output, { languages }) =>
        output.table(
          ['language', 'options', 'what'],
          languages.map(({ name, options, forms, summary }) => [name, optionsText(options, forms), summary]),
        ),
    ),
  ),
  command(
    'generate <language> <dir>',
    'Write typed code for a branch’s tables and views',
    (parser) =>
      parser
        .positional('language', required('as cinch codegen languages lists them'))
        .positional('dir', required('the folder to write to; made if it is not there'))
        .option('tables', text('only these, with commas between them'))
        .option('views', text('only these, with commas between them'))
        .option('option', { ...texts('NAME=VALUE, an option of the language'), alias: 'o' })
        .option('check', {
          type: 'boolean',
          default: false,
          describe: 'write nothing; exit with 1 where the folder does not hold what would be written',
        })
        .option('watch', {
          type: 'boolean',
          default: false,
          describe: 'go on, and write again when the schema changes',
        }),
    async (context, { language, dir, tables, views, option, check, watch }) => {
      if (check && watch) throw new UsageError('one of --check and --watch')
      const selection = { tables: tables && columnNames(tables), views: views && columnNames(views) }
      const params = { ...selection, language, options: optionsOf(option ?? []) } as ParamsOf<'codegen.generate'>
      const generated = await context.call('codegen.generate', params)
      if (check) return checkFiles(context, dir, generated.files)
      writeFiles(context, dir, generated)
      for (let { hash } = generated; watch; ) {
        await sleep(msBetweenLooks)
        const now = await context.call('codegen.hash', selection as ParamsOf<'codegen.hash'>)
        if (now.hash === hash) continue
        hash = now.hash
        writeFiles(context, dir, await context.call('codegen.generate', params))
      }
    },
  ),
]

/** Write what has changed, so that tools that watch the folder are not woken for nothing. */
function writeFiles({ output }: Context, dir: string, { files, hash }: ResultOf<'codegen.generate'>): void {
  const changed = files.filter((file) => readIn(dir, file.path) !== file.text)
  for (const { path: name, text } of changed) {
    const target = path.join(dir, name)
    fs.mkdirSync(path.dirname(target), { recursive: true })
    fs.writeFileSync(target, text)
  }
  const written = changed.map(({ path }) => path)
  output.result({ hash, written, unchanged: files.length - written.length }, () => {
    for (const name of written) output.line(path.join(dir, name))
    output.note(
      written.length === 0
        ? `Nothing to write: ${dir} is up to date.`
        : `Wrote ${written.length} of ${files.length} files.`,
    )
  })
}

function checkFiles({ output }: Context, dir: string, files: Files): void {
  const stale = files.filter((file) => readIn(dir, file.path) !== file.text).map(({ path }) => path)
  output.result({ stale }, () => {
    for (const name of stale) output.line(path.join(dir, name))
  })
  if (stale.length === 0) return
  throw new CliError('stale', 'The generated code is not what the schema says', {
    hint: 'cinch codegen generate writes it anew',
  })
}

function readIn(dir: string, name: string): string | undefined {
  const file = path.join(dir, name)
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined
}

/** `["models=pydantic"]` → `{models: 'pydantic'}` */
function optionsOf(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((each) => {
      const at = each.indexOf('=')
      if (at < 1) throw new UsageError(`--option ${each}: an option is NAME=VALUE`)
      return [each.slice(0, at), each.slice(at + 1)]
    }),
  )
}

function optionsText(options: Readonly<Record<string, readonly string[]>>, forms: Readonly<object>): string {
  return Object.entries(options)
    .map(([name, values]) => `${name}=${values.join('|')}${name in forms ? '|…' : ''}`)
    .join(' ')
}
