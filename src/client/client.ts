import type * as z from 'zod'
import type { Methods } from '../methods/index.ts'
import { Connection, type RequestOptions } from './connection.ts'

export { CinchError } from './errors.ts'

export type MethodName = keyof Methods
export type ParamsOf<M extends MethodName> = z.input<Methods[M]['params']>
export type ResultOf<M extends MethodName> = z.output<Methods[M]['result']>

/**
 * The command line's connection: values as the wire has them, calls typed by the daemon's own method registry, of which
 * nothing is loaded here. What is published is `Cinch`.
 */
export class Client extends Connection {
  /** Call a method. Rejects with `CinchError` where the daemon says no. */
  request<M extends MethodName>(method: M, params: ParamsOf<M>, options?: RequestOptions): Promise<ResultOf<M>> {
    return this.rawRequest(method, params as object, options) as Promise<ResultOf<M>>
  }
}
