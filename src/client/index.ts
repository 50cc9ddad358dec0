export type * from './cinch.ts'
export { Cinch, connect, Handle, Transaction } from './cinch.ts'
export type { Agreement, Progress, Scope } from './connection.ts'
export { Cursor } from './cursor.ts'
export {
  CancelledError,
  CinchError,
  ConnectionLost,
  ConstraintError,
  ExistsError,
  LimitError,
  NotFoundError,
  SchemaDiffersError,
  TimeoutError,
  TransactionEndedError,
  ValueKindError,
} from './errors.ts'
export type * from './methods.ts'
export { NoProjectError } from './project.ts'
export type * from './typed.ts'
export { checkSchema, KeyedTable, TypedTable, TypedView } from './typed.ts'
export type * from './values.ts'
export { Real, real } from './values.ts'
