import { constants } from 'node:buffer'
import { Refusal, refuse } from '../base/refusal.ts'
import { codeOf, refuseFault } from '../storage/faults.ts'
import type { Prepared, Statements } from '../storage/statements.ts'

type Constraint = 'unique' | 'primaryKey' | 'notNull' | 'check' | 'foreignKey' | 'type' | 'trigger' | 'other'

const constraints: { readonly [code: string]: Constraint } = {
  SQLITE_CONSTRAINT_UNIQUE: 'unique',
  SQLITE_CONSTRAINT_PRIMARYKEY: 'primaryKey',
  SQLITE_CONSTRAINT_ROWID: 'primaryKey',
  SQLITE_CONSTRAINT_NOTNULL: 'notNull',
  SQLITE_CONSTRAINT_CHECK: 'check',
  SQLITE_CONSTRAINT_FOREIGNKEY: 'foreignKey',
  SQLITE_CONSTRAINT_DATATYPE: 'type',
  SQLITE_CONSTRAINT_TRIGGER: 'trigger',
}

/** A client's statement on one connection; refuses as `refuseSqlError` does where SQLite cannot compile it. */
export function prepare({ statements }: { readonly statements: Statements }, sql: string): Prepared {
  try {
    return statements.get(sql)
  } catch (error) {
    return refuseSqlError(error)
  }
}

/** Turn what SQLite said while a client's statement ran into a refusal of a stable kind. */
export function refuseSqlError(error: unknown, kind: 'read' | 'write' = 'read'): never {
  if (error instanceof Refusal) throw error
  const code = codeOf(error)
  const reason = error instanceof Error ? error.message : String(error)
  if (code.startsWith('SQLITE_CONSTRAINT')) {
    const constraint = constraintOf(code, reason)
    return refuse('constraintFailed', { constraint, ...partsOf(constraint, reason), reason })
  }
  // What should be the number of a row is none.
  if (code === 'SQLITE_MISMATCH' && kind === 'write') refuse('constraintFailed', { constraint: 'type', reason })
  const isBinding = error instanceof RangeError || error instanceof TypeError
  if (isBinding && /parameter|bind/i.test(reason)) return refuse('invalidValue', { where: 'params', reason })
  if (code === 'SQLITE_TOOBIG') {
    // better-sqlite3 sets this limit, so that every value fits a string
    return refuse('limitExceeded', { limit: 'SQLite’s length of a value', max: constants.MAX_STRING_LENGTH })
  }
  if (code === 'SQLITE_ERROR' || code === 'SQLITE_MISMATCH' || code === 'SQLITE_RANGE' || code === 'SQLITE_NOMEM') {
    return refuse('sqlError', { reason, sqliteCode: code })
  }
  return refuseFault(error, 'tenant')
}

/** SQLite does RESTRICT by a trigger of its own, and only its message says so. */
function constraintOf(code: string, reason: string): Constraint {
  const constraint = constraints[code] ?? 'other'
  return constraint === 'trigger' && reason === 'FOREIGN KEY constraint failed' ? 'foreignKey' : constraint
}

/** SQLite names the columns as `t.a, t.b`, a CHECK by its name or text, an index over expressions as `index 'name'`. */
function partsOf(constraint: Constraint, reason: string): { table?: string; columns?: string[]; name?: string } {
  const typed = /^cannot store \w+ value in \w+ column (.+)$/.exec(reason)?.[1]
  if (constraint === 'type') return typed === undefined ? {} : columnsOf(typed)
  const subject = constraint === 'trigger' ? undefined : /constraint failed: (.+)$/s.exec(reason)?.[1]
  if (subject === undefined) return {}
  const index = /^index '(.+)'$/s.exec(subject)
  if (index) return { name: index[1] as string }
  return constraint === 'check' ? { name: subject } : columnsOf(subject)
}

function columnsOf(subject: string): { table: string; columns: string[] } {
  const columns = subject.split(', ')
  const table = columns[0]?.slice(0, columns[0].indexOf('.')) ?? ''
  return { table, columns: columns.map((column) => column.slice(column.indexOf('.') + 1)) }
}
