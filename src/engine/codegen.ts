import { type Model, modelOf, type Selection } from '../codegen/model.ts'
import { quoteName } from '../schema/sql.ts'
import type { Branch } from './branch.ts'

/** What code is generated from: a branch's tables and views, or some of them. */
export function codeModel(branch: Branch, selection?: Selection): Model {
  const { schema, statements } = branch.head
  const views = schema.views.map(({ name }) => {
    return { name, columns: statements.get(`select * from ${quoteName(name)}`).columns }
  })
  return modelOf(schema, views, selection)
}
