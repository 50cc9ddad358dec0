import { foldName, isWord, quoteName, type Token, tokenize } from '../../schema/sql.ts'
import { argumentsOf, commandNames, tableNames } from './commands.ts'
import type { Schema } from './session.ts'
import type { Shell } from './shell.ts'
import { isInside } from './statements.ts'

/** What readline wants: the candidates, and the end of the line that they are for. */
export type Completion = [candidates: string[], typed: string]

/** What may stand at the end of a line: commands and their arguments, keywords, tables, and columns of the live schema. */
export async function complete(shell: Shell, line: string): Promise<Completion> {
  const [, name, argument] = /^\s*\\(\S*)(?:\s+(\S*))?$/.exec(line) ?? []
  if (shell.reader.isEmpty && name !== undefined) {
    if (argument === undefined) return startingWith(name, commandNames())
    return startingWith(argument, await argumentsOf(shell, name))
  }
  const before = `${shell.reader.pending}\n${line}`
  const typed = /[\w$\x80-\uffff]*$/.exec(line)?.[0] ?? ''
  if (isInside(before)) return [[], typed]
  const tokens = tokenize(before.slice(0, before.length - typed.length))
  return startingWith(typed, candidates(await shell.session.schema(), tokens, tokenize(before), typed))
}

/** @param tokens what stands before the word that is typed */
function candidates(schema: Schema, tokens: readonly Token[], all: readonly Token[], typed: string): readonly string[] {
  const last = tokens.at(-1)
  if (last?.text === '.') return columnsOf(schema, tableOf(all, tokens.at(-2)?.value ?? '')).map(written)
  const tables = tableNames(schema).map(written)
  if (['FROM', 'JOIN', 'INTO', 'UPDATE'].some((word) => isWord(last, word))) return tables
  const isUpper = /^[A-Z]/.test(typed)
  const words = isUpper ? keywords.map((word) => word.toUpperCase()) : keywords
  if (tokens.length === 0) return words
  // Of the tables that the statement speaks of; of all where it speaks of none yet.
  const spoken = tableNames(schema).filter((name) => all.some(({ value }) => foldName(value) === foldName(name)))
  const columns = (spoken.length === 0 ? tableNames(schema) : spoken).flatMap((name) => columnsOf(schema, name))
  return [...new Set([...columns.map(written), ...tables, ...words])]
}

function startingWith(typed: string, candidates: readonly string[]): Completion {
  const wanted = foldName(typed)
  return [candidates.filter((candidate) => foldName(candidate).startsWith(wanted)), typed]
}

function columnsOf({ tables }: Schema, name: string): string[] {
  const table = tables.find((each) => foldName(each.name) === foldName(name))
  return table?.columns.map((column) => column.name) ?? []
}

/** The table that goes by this name in the statement: itself, or by an alias (`from t a`, `from t as a`). */
function tableOf(tokens: readonly Token[], name: string): string {
  const at = tokens.findIndex((token, at) => {
    const [before, beforeThat] = [tokens[at - 1], tokens[at - 2]]
    const namesTable = ['FROM', 'JOIN', ','].some((word) => beforeThat?.text.toUpperCase() === word)
    return foldName(token.value) === foldName(name) && (isWord(before, 'AS') || namesTable)
  })
  if (at < 0) return name
  return tokens[isWord(tokens[at - 1], 'AS') ? at - 2 : at - 1]?.value ?? name
}

/** A name as SQL takes it. */
function written(name: string): string {
  return /^[a-z_][\w$]*$/i.test(name) && !keywords.includes(foldName(name)) ? name : quoteName(name)
}

const keywords: readonly string[] =
  `select from where group by order having limit offset distinct all as join inner left
  right full outer cross natural on using union intersect except with recursive values insert into update set delete replace
  returning conflict do nothing default and or not in is null like glob between exists case when then else end cast collate
  asc desc nulls first last count sum avg min max total coalesce ifnull iif length lower upper substr replace trim round abs
  date time datetime strftime json_extract over partition window explain query plan begin commit rollback true false`.split(
    /\s+/,
  )
