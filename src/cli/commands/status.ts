import { body } from '../command.ts'

export const status = body(
  (parser) => parser,
  async (context) => {
    const { output } = context
    const scope = await context.scope()
    const [project, branch, schema] = await Promise.all([
      context.call('project.info', {}),
      context.call('branch.status', {}),
      context.call('schema.get', {}),
    ])
    const { head, files } = branch
    const { tables, views, indexes } = schema
    const counts = { tables: tables.length, views: views.length, indexes: indexes.length }
    output.result({ project, scope, branch, schema: counts }, () =>
      output.record({
        project: project.path,
        database: scope.database,
        branch: scope.branch,
        tenant: scope.tenant,
        head,
        schema: `tables ${counts.tables}, views ${counts.views}, indexes ${counts.indexes}`,
        files: `${files.total}: ${files.atHead} at head, ${files.behind} behind, ${files.locked} locked, ${files.failed} failed`,
        daemon: `version ${project.version}, pid ${project.pid}, SQLite ${project.sqliteVersion}`,
        durability: project.durability,
      }),
    )
  },
)
