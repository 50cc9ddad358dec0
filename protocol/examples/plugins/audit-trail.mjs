/**
 * Keeps what was done to rows: a row of the table `audit` for every row that a client’s SQL inserts, updates or deletes, with
 * the row as it is afterwards, or was before it was deleted. The table has to be there:
 *
 *     cinch table create audit at:text name:text operation:text row:text
 *
 * A statement is made to return its rows, and the client does not see them unless it asked for them. What comes as rows
 * (`row.insert`, …) or keys is not seen by plugins. The trail is written right after the statement, in a commit of its own: a daemon
 * that is killed in between leaves a row without its trace, and in a transaction of a client, which keeps others from writing,
 * it cannot be written: the statement fails. Where that must not be, let a trigger write it.
 *
 * @type {import('cinch/plugin').PluginModule}
 */
export const cinchPlugin = ({ definePlugin, z }) =>
  definePlugin({
    name: 'audit-trail',
    version: '1.0.0',
    description: 'Keeps what was done to rows.',
    settings: z.strictObject({
      trail: z.string().default('audit').describe('the table that it is kept in'),
      tables: z.array(z.string()).default([]).describe('the tables that are watched; none: all'),
    }),

    async beforeQuery({ sql, access }, { settings, db }) {
      if (access === 'read') return
      const { kind, writes } = await db.explain(sql)
      if (kind === 'read') return
      if (writes.includes(settings.trail)) return { veto: `only the audit trail writes to ${settings.trail}` }
      if (watched(writes, settings).length === 0) return
      const returning = `${sql.replace(/;\s*$/, '')}\n${mark}`
      // It may return something already.
      const isPossible = await db.explain(returning).then(
        () => true,
        () => false,
      )
      return isPossible ? { sql: returning } : undefined
    },

    async afterQuery({ sql, access }, { changes, columns, rows }, { settings, db }) {
      if (access === 'read' || rows === undefined) return
      const isMarked = sql.endsWith(mark)
      const { writes } = await db.explain(sql)
      // Triggers may write other tables, too: the statement’s own is the one that it names.
      const name = watched(writes, settings).find((table) => sql.includes(table))
      if (name === undefined) return
      const operation = /\b(insert|replace|update|delete)\b/i.exec(sql)?.[1].toLowerCase() ?? 'write'
      const at = new Date().toISOString()
      const statements = rows.map((row) => {
        const values = Array.isArray(row) ? Object.fromEntries(columns.map(({ name }, at) => [name, row[at]])) : row
        const params = [at, name, operation, JSON.stringify(values)]
        return { sql: `insert into "${settings.trail}" (at, name, operation, row) values (?, ?, ?, ?)`, params }
      })
      if (statements.length > 0) await db.batch(statements)
      return isMarked ? { result: { changes } } : undefined
    },
  })

const mark = 'returning * /* for the audit trail */'

function watched(writes, { tables }) {
  return writes.filter((table) => tables.length === 0 || tables.includes(table))
}
