import type { PluginEvent } from '../plugins/events.ts'
import type { Change } from '../schema/change.ts'
import type { Branch } from './branch.ts'

/** What is told of tables when changes have become visible, in their order. */
export function tableEvents(branch: Branch, changeSet: string, changes: readonly Change[]): PluginEvent[] {
  const where = { database: branch.database.row.name, branch: branch.name, changeSet }
  return changes.flatMap((change): PluginEvent[] => {
    switch (change.kind) {
      case 'createTable':
      case 'createVirtualTable':
        return [{ kind: 'tableCreated', ...where, table: change.table.name }]
      case 'copyTable':
        return [{ kind: 'tableCreated', ...where, table: change.table }]
      case 'dropTable':
      case 'dropVirtualTable':
        return [{ kind: 'tableDropped', ...where, table: change.table }]
      case 'renameTable':
        return [{ kind: 'tableRenamed', ...where, table: change.table, newName: change.newName }]
      case 'addColumn':
      case 'dropColumn':
      case 'renameColumn':
      case 'alterColumn':
      case 'alterTable':
        return [{ kind: 'tableAltered', ...where, table: change.table }]
      default:
        return []
    }
  })
}
