import path from 'node:path'
import { call, command, confirmed, optional, required, text, yesOption } from '../command.ts'
import { CliError } from '../errors.ts'
import { exactSizeText, sizeText } from '../size.ts'

const backupName = required('its name, or the path of its folder')

export const backup = [
  command(
    'create [backup]',
    'Back up the branch, or one tenant, while writes go on',
    (parser) =>
      parser
        .positional(
          'backup',
          optional('a name, or a path with a slash in it; default: made of the branch’s and the time'),
        )
        .option('only', text('back up this tenant alone'))
        .option('description', text('kept with it')),
    call(
      'backup.create',
      ({ backup, only, description }) => ({ backup: backup && placeOf(backup), tenant: only, description }),
      (output, { backup, tenants, bytes }) => {
        output.line(backup)
        output.note(`Backed up ${tenants} ${tenants === 1 ? 'tenant' : 'tenants'}, ${exactSizeText(bytes)}.`)
      },
    ),
  ),
  command(
    'list',
    'List the project’s backups',
    (parser) => parser,
    call(
      'backup.list',
      () => ({}),
      (output, { backups }) =>
        output.table(
          ['backup', 'created', 'of', 'tenants', 'size', 'description'],
          backups.map(({ backup, createdAt, database, branch, kind, tenants, bytes, description }) => [
            backup,
            createdAt,
            kind === 'branch' ? `${database}/${branch}` : `a tenant of ${database}/${branch}`,
            tenants,
            sizeText(bytes),
            description ?? '',
          ]),
        ),
    ),
  ),
  command(
    'restore <backup>',
    'Restore a backup: as a branch of its own, or a tenant of it',
    (parser) =>
      parser
        .positional('backup', backupName)
        .option('as-branch', text('the name of the branch; default: as it was called'))
        .option('only', text('restore this tenant alone, into --branch'))
        .option('as-tenant', text('the name of the tenant; default: as it was called'))
        .option('force', { type: 'boolean', default: false, describe: 'replace what has that name' }),
    call(
      'backup.restore',
      ({ backup, asBranch, only, asTenant, force, branch }) => ({
        backup: placeOf(backup),
        branch: asBranch ?? branch,
        tenant: only,
        name: asTenant,
        force,
      }),
      (output, { branch, tenant, tenants }) => {
        const what =
          tenant === null ? `branch ${branch} with ${tenants} tenants` : `tenant ${tenant} in branch ${branch}`
        output.note(`Restored ${what}.`)
      },
    ),
  ),
  command(
    'verify <backup>',
    'Check that a backup is as it was made; exits with 1 where it is not',
    (parser) => parser.positional('backup', backupName),
    async (context, { backup }) => {
      const { output } = context
      const verified = await context.call('backup.verify', { backup: placeOf(backup) })
      output.result(verified, () => {
        if (verified.sound) output.line('sound')
        for (const problem of verified.problems) output.line(problem)
      })
      if (!verified.sound) throw new CliError('notSound', 'The backup is not as it was made')
    },
  ),
  command(
    'delete <backup>',
    'Delete a backup',
    (parser) => yesOption(parser.positional('backup', required('its name'))),
    confirmed(
      ({ backup }) => `Delete backup ${backup}? There is no way back.`,
      call(
        'backup.delete',
        ({ backup }) => ({ backup }),
        (output, _, { backup }) => output.note(`Deleted backup ${backup}.`),
      ),
    ),
  ),
]

/** A name stays one; anything with a slash in it is a path from here. */
function placeOf(given: string): string {
  return given.includes('/') ? path.resolve(given) : given
}
