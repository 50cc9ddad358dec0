import { refuse } from '../base/refusal.ts'
import type { Change } from './change.ts'
import type { Conflict, Resolution } from './conflicts.ts'
import type { SameAs } from './identities.ts'
import type { Schema } from './model.ts'

export type Merge =
  | {
      readonly kind: 'merged'
      readonly schema: Schema
      readonly changes: readonly Change[]
      readonly sameAs: readonly SameAs[]
    }
  | { readonly kind: 'conflicts'; readonly conflicts: readonly Conflict[] }

export function merge(
  _base: Schema,
  _ours: Schema,
  _theirs: Schema,
  _options: { resolutions?: readonly Resolution[]; sameAs?: readonly SameAs[] } = {},
): Merge {
  return refuse('notSupported', { what: 'a merge of branches that have both moved' })
}
