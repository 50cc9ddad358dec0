import * as z from 'zod'
import { type EditOutcome, editSchema } from '../engine/edit.ts'
import { type ChangeSpec, toChange } from '../schema/change-spec.ts'
import { branchRefusals, branchScope, type Call, progressOf, writeRefusals } from './method.ts'

/** What every method that edits the schema takes and may be refused with. */
export const editParams = {
  ...branchScope,
  dryRun: z.boolean().default(false).describe('plan, try, count; change nothing'),
  message: z.string().max(10_000).optional().describe('kept in the history'),
}

export const editRefusals = [
  ...branchRefusals,
  ...writeRefusals,
  'tenantBusy',
  'invalidName',
  'invalidChange',
  'schemaBroken',
  'proofFailed',
  'tenantLocked',
  'tableNotFound',
  'tableExists',
  'columnNotFound',
  'columnExists',
  'indexNotFound',
  'indexExists',
  'viewNotFound',
  'viewExists',
  'triggerNotFound',
  'triggerExists',
] as const

export interface EditOptions {
  readonly database?: string
  readonly branch?: string
  readonly dryRun: boolean
  readonly message?: string
}

/** Make changes to a branch's schema, together: the one road of every schema edit. */
export async function edit(call: Call, options: EditOptions, specs: readonly ChangeSpec[]) {
  const branch = call.branch(options)
  const { ids } = call.engine.parts
  const changes = specs.map((spec) => toChange(branch.head.schema, spec, () => ids.next()))
  const outcome = await editSchema(
    call.engine.parts,
    branch,
    {
      changes,
      message: options.message,
      client: call.session.client?.name,
      dryRun: options.dryRun,
      unlocked: call.keyring,
    },
    progressOf(call),
  )
  return shown(outcome)
}

function shown({ changeSet, plan, tenantsToProve }: EditOutcome) {
  return { changeSet, plan, tenantsToProve }
}
