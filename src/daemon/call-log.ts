import type { Logger } from 'pino'
import type { ErrorKind } from '../../protocol/errors.ts'
import type { LaneName } from '../../protocol/lanes.ts'
import { requestName } from '../rpc/call.ts'
import type { Session } from '../rpc/session.ts'

/**
 * A line for every call, at level debug: which session and request, method, time and outcome. Parameters are in it only
 * where the settings say so, and never those of calls for encrypted tenants, nor keys.
 */
export class CallLog {
  readonly #log: Logger
  readonly #withParameters: boolean

  constructor(log: Logger, withParameters: boolean) {
    this.#log = log
    this.#withParameters = withParameters
  }

  get isOn(): boolean {
    return this.#log.levelVal <= debug
  }

  write(
    session: Session,
    { id, method, params }: Readonly<Record<string, unknown>>,
    { lane, ms, failure, isSecret }: CallOutcome,
  ): void {
    this.#log.debug(
      {
        request: requestName(session, id),
        method,
        lane,
        ms: Math.round(ms * 1_000) / 1_000,
        outcome: failure ?? 'ok',
        ...(this.#withParameters && { params: isSecret ? '[encrypted tenant]' : shown(params) }),
      },
      'call',
    )
  }
}

export interface CallOutcome {
  readonly lane: LaneName
  readonly ms: number
  readonly failure: ErrorKind | undefined
  /** It was about an encrypted tenant, whose rows are in its own file alone. */
  readonly isSecret: boolean
}

const debug = 20
const maxParameterChars = 10_000
/** However deep, and whatever else may have the name. */
const secretNames = new Set(['key', 'newKey', 'keys'])

/** Parameters as text: JSON without keys, cut where it is long. */
function shown(params: unknown): string {
  const text = JSON.stringify(params ?? {}, (name, value: unknown) => (secretNames.has(name) ? '[redacted]' : value))
  return text.length <= maxParameterChars ? text : `${text.slice(0, maxParameterChars)}… (${text.length} characters)`
}
