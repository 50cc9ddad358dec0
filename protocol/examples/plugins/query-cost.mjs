/**
 * Refuses statements that would look at too many rows, before they run: by their query plan, whose loops that scan a table
 * multiply where one is inside another.
 *
 * @type {import('cinch/plugin').PluginModule}
 */
export const cinchPlugin = ({ definePlugin, z }) =>
  definePlugin({
    name: 'query-cost',
    version: '1.0.0',
    description: 'Refuses statements that would look at too many rows.',
    settings: z.strictObject({
      maxRows: z.int().positive().default(1_000_000).describe('rows that one statement may look at, roughly'),
      knownMs: z.int().nonnegative().default(10_000).describe('how long the size of a table is relied upon'),
    }),

    async beforeQuery({ sql, tenant, branch, database }, { settings, db }) {
      const { plan, reads, writes } = await db.explain(sql)
      const scans = plan.filter(({ detail }) => detail.startsWith('SCAN ') && !detail.includes('CONSTANT ROW'))
      if (scans.length === 0) return
      const tables = [...new Set([...reads, ...writes])]
      const sizes = new Map()
      for (const table of tables) {
        sizes.set(table, await sizeOf(db, `${database}/${branch}/${tenant}/${table}`, table, settings.knownMs))
      }
      const largest = Math.max(0, ...sizes.values())
      /** Loops below one step are one inside the other. */
      const loops = new Map()
      for (const { parent, detail } of scans) {
        // A table goes by its alias there: then it may be the largest.
        const size = sizes.get(detail.split(' ')[1]) ?? largest
        loops.set(parent, (loops.get(parent) ?? 1) * Math.max(1, size))
      }
      const rows = [...loops.values()].reduce((sum, each) => sum + each, 0)
      if (rows <= settings.maxRows) return
      const how = scans.map(({ detail }) => detail).join(', ')
      return { veto: `it would look at about ${rows} rows, and ${settings.maxRows} are allowed (${how})` }
    },
  })

const known = new Map()

/** About how many rows a table has: its greatest rowid is found at once. */
async function sizeOf(db, key, table, knownMs) {
  const found = known.get(key)
  if (found !== undefined && performance.now() - found.at < knownMs) return found.size
  const name = `"${table.replaceAll('"', '""')}"`
  const ask = (what) => db.query(`select ${what} from ${name}`).then(({ rows }) => Number(rows[0][0] ?? 0))
  // A table without rowids is counted.
  const size = await ask('max(rowid)').catch(() => ask('count(*)'))
  known.set(key, { at: performance.now(), size })
  return size
}
