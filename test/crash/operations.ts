import fs from 'node:fs'
import path from 'node:path'
import Database from 'better-sqlite3'
import type { CrashPoint } from '../../src/base/crash-point.ts'
import type { Methods } from '../../src/methods/index.ts'

/** One call, as a client makes it. `{project}` and `{edit}` in a parameter stand for the folder and the newest change set of main. */
export type Step = readonly [method: keyof Methods, params: { readonly [name: string]: unknown }]

/** A point, or with `:n` the nth time that it is passed. */
export type Armed = CrashPoint | `${CrashPoint}:${number}`

export interface Operation {
  readonly name: string
  readonly world: World
  /** Each is answered before the next is sent. After the last one the drain does its work, and the daemon stops. */
  readonly steps: readonly Step[]
  readonly points: readonly Armed[]
  /** Where to die the second time. Given where a step can be done twice: points that are passed before it. */
  readonly seconds?: readonly Armed[]
}

/** A project to begin with. */
export interface World {
  readonly name: string
  readonly steps: readonly Step[]
  /** Whether the daemon ended in good order. If not, what was written last is in write-ahead logs still. */
  readonly isClosed?: boolean
  /** Makes what lies beside, or in it. */
  readonly prepare?: (project: string) => void
}

/** Keys of encrypted tenants. */
export const keys = { one: { raw: '1'.repeat(64) }, two: { raw: '2'.repeat(64) } }

const columns = [
  { name: 'a', type: 'INTEGER' },
  { name: 'b', type: 'TEXT' },
]
const t = { name: 't', columns, primaryKey: ['a'], systemColumns: false }
const u = {
  name: 'u',
  columns: [{ name: 'a', type: 'INTEGER', references: { table: 't', column: 'a' } }],
  systemColumns: false,
}

type Scope = { database?: string; branch?: string; tenant?: string; key?: object }

function insert(scope: Scope, ...ids: number[]): Step {
  return ['row.insert', { ...scope, table: 't', rows: ids.map((a) => ({ a, b: `b${a}` })) }]
}

const addColumn = (name: string, branch = 'main'): Step => [
  'column.add',
  { branch, table: 't', column: { name, type: 'TEXT', default: 'd' } },
]

/**
 * Main, dev forked from it, and leaf from dev. All three see the files of main's `main`, `x` and `e` (which has no rows);
 * dev and leaf that of dev's `y`; main's `y` is its own. `z` has no file. Databases: `other`, and `blank` without a schema.
 */
const sharedSteps: readonly Step[] = [
  ['table.create', t],
  ['table.create', u],
  ...['x', 'y', 'z', 'e'].map((name): Step => ['tenant.create', { name }]),
  insert({ tenant: 'main' }, 1),
  insert({ tenant: 'x' }, 2, 3),
  insert({ tenant: 'y' }, 4),
  insert({ tenant: 'e' }, 5),
  ['query.execute', { tenant: 'e', sql: 'delete from t' }],
  ['query.execute', { tenant: 'x', sql: 'insert into u values (2)' }],
  ['branch.create', { name: 'dev' }],
  insert({ branch: 'dev', tenant: 'y' }, 6),
  ['branch.create', { name: 'leaf', from: 'dev' }],
  insert({ tenant: 'y' }, 7),
  ['database.create', { name: 'other' }],
  ['table.create', { database: 'other', ...t }],
  insert({ database: 'other' }, 8),
  ['branch.create', { database: 'other', name: 'side' }],
  ['database.create', { name: 'blank' }],
]

const shared: World = { name: 'shared', steps: sharedSteps, prepare: writeInputs }
const quiet: World = { name: 'quiet', steps: sharedSteps, prepare: writeInputs, isClosed: true }
const ahead: World = { name: 'ahead', steps: [...sharedSteps, addColumn('c', 'dev'), addColumn('d', 'dev')] }
const diverged: World = {
  name: 'diverged',
  steps: [
    ...sharedSteps,
    addColumn('c', 'dev'),
    ['table.create', { ...t, name: 'v' }],
    ['index.create', { table: 't', columns: ['b'], unique: true }],
  ],
}
const fleetNames = Array.from({ length: 20 }, (_, at) => `f${at}`)
const fleet: World = {
  name: 'fleet',
  isClosed: true,
  steps: [
    ['table.create', t],
    ...fleetNames.map((name): Step => ['tenant.create', { name }]),
    ...fleetNames.map((tenant, at) => insert({ tenant }, at)),
  ],
}
const large: World = {
  name: 'large',
  isClosed: true,
  steps: [
    ['table.create', t],
    ['row.insert', { table: 't', rows: Array.from({ length: 300 }, (_, a) => ({ a, b: 'x'.repeat(16_000) })) }],
  ],
}
/**
 * `x` is not encrypted; `s`, `q` and `z` are with key one, and `z` has no file. dev sees the files of `x` and `q`. What was
 * written to `s` last is in its log.
 */
const sealedSteps: readonly Step[] = [
  ['table.create', t],
  ['table.create', u],
  ['tenant.create', { name: 'x' }],
  ['tenant.create', { name: 's', key: keys.one }],
  ['tenant.create', { name: 'q', key: keys.one }],
  ['tenant.create', { name: 'z', key: keys.one }],
  insert({ tenant: 'x' }, 1),
  insert({ tenant: 's', key: keys.one }, 2, 3),
  insert({ tenant: 'q', key: keys.one }, 5),
  ['branch.create', { name: 'dev' }],
  ['tenant.unlock', { name: 's', key: keys.one }],
  insert({ tenant: 's' }, 4),
]
const sealed: World = { name: 'sealed', steps: sealedSteps }
const littered: World = {
  name: 'littered',
  steps: sharedSteps,
  prepare(project) {
    const folder = path.join(project, '.cinchdb', 'main-dev', '00')
    fs.mkdirSync(folder, { recursive: true })
    for (const file of ['gone.db', 'gone.db-wal', 'old.db']) fs.writeFileSync(path.join(folder, file), 'x')
    const scratch = path.join(project, '.cinchdb', 'scratch')
    fs.mkdirSync(scratch, { recursive: true })
    fs.writeFileSync(path.join(scratch, 'half.db'), 'x')
  },
}

/** With backups of main and dev, as they were before something more was written. */
const saved: World = {
  name: 'saved',
  steps: [
    ...sharedSteps,
    ['backup.create', { backup: 'b' }],
    ['backup.create', { backup: 'd', branch: 'dev' }],
    insert({ tenant: 'x' }, 20),
    insert({ branch: 'dev', tenant: 'y' }, 21),
    addColumn('c', 'dev'),
  ],
}

function writeInputs(project: string): void {
  const db = new Database(path.join(project, 'in.db'))
  db.exec(`
    create table t (a integer primary key, b text);
    create table u (a integer references t (a) on delete restrict on update restrict);
    insert into t values (50, 'b50'), (51, 'b51');
    insert into u values (50);
  `)
  db.close()
  fs.writeFileSync(path.join(project, 'in.csv'), 'a,b\n60,b60\n61,b61\n')
  // With a column of the daemon's own the table that is made for it is as plain as the file.
  fs.writeFileSync(path.join(project, 'new.csv'), 'id,b\n60,b60\n61,b61\n')
}

const flip = ['edit.tried', 'edit.proved', 'edit.flipping', 'edit.flipped'] as const
const copy = ['share.checkpointed', 'createFile.opened'] as const
const takeCopy = [...copy, 'takeCopy.copied', 'takeCopy.recording', 'takeCopy.recorded'] as const
const giveAway = [...copy, 'giveAway.copied', 'giveAway.recording', 'giveAway.recorded'] as const
const commit = ['group.committing', 'group.committed'] as const
const firstWrite = ['createFile.opened', 'firstWrite.fileMade', 'firstWrite.recording', 'firstWrite.recorded'] as const
const positions = ['positions.writing', 'positions.written'] as const
const removeFile = ['removeFile.removed', 'removeFile.removed:2'] as const
const importFile = ['import.copied', 'import.emptied', 'import.finished', 'moveFile.moved'] as const
const reencrypt = [
  'reencrypt.written',
  'reencrypt.planning',
  'reencrypt.planned',
  'reencrypt.replaced',
  'reencrypt.recording',
  'reencrypt.recorded',
] as const
const deleteTenant = ['tenantDelete.recording', 'tenantDelete.recorded', 'tenantDelete.cleaned'] as const
const renameTenant = [
  'tenantRename.linked',
  'tenantRename.recording',
  'tenantRename.recorded',
  'tenantRename.cleaned',
] as const
const deleteBranch = [
  'branchDelete.handedOver',
  'branchDelete.recording',
  'branchDelete.recorded',
  'branchDelete.setAside',
  'branchDelete.freed',
] as const

export const operations: readonly Operation[] = [
  {
    name: 'open and close a project',
    world: littered,
    steps: [],
    points: [
      'open.plansSettled',
      'open.sweeping',
      'open.sweeping:2',
      'open.swept',
      'catalogCheckpoint.begun',
      'catalogCheckpoint.done',
    ],
  },
  {
    name: 'create a database',
    world: shared,
    steps: [
      ['database.create', { name: 'n' }],
      ['table.create', { database: 'n', ...t }],
      insert({ database: 'n' }, 1),
    ],
    points: ['databaseCreate.recording', 'databaseCreate.recorded', 'edit.flipping', 'edit.flipped', ...firstWrite],
  },
  {
    name: 'delete a database',
    world: shared,
    steps: [['database.delete', { name: 'other' }]],
    points: ['databaseDelete.recording', 'databaseDelete.recorded', 'databaseDelete.setAside', 'databaseDelete.freed'],
  },
  {
    name: 'set maintenance',
    world: shared,
    steps: [
      ['branch.setMaintenance', { name: 'dev', enabled: true, reason: 'r' }],
      ['database.setMaintenance', { name: 'other', enabled: true }],
    ],
    points: ['maintenance.recording', 'maintenance.recorded', 'maintenance.recording:2', 'maintenance.recorded:2'],
  },
  {
    name: 'create tenants',
    world: shared,
    steps: [
      ['tenant.create', { name: 'n' }],
      ['tenant.create', { branch: 'dev', name: 'm' }],
    ],
    points: [...commit, 'group.committing:2', 'group.committed:2'],
  },
  {
    name: 'write rows',
    world: shared,
    steps: [insert({ tenant: 'y' }, 10), insert({ tenant: 'y' }, 11, 12), insert({ tenant: 'y' }, 13)],
    points: [...commit, 'group.committing:2', 'group.committed:2', 'group.committing:3', 'group.committed:3'],
  },
  {
    name: 'write so much that the log starts anew',
    world: shared,
    steps: Array.from({ length: 36 }, (_, at): Step => {
      return ['row.insert', { tenant: 'y', table: 't', rows: [{ a: 100 + at, b: 'x'.repeat(4_000) }] }]
    }),
    points: ['logRestart.begun', 'logRestart.done'],
  },
  {
    name: 'vacuum',
    world: shared,
    steps: [insert({ tenant: 'y' }, 10), ['tenant.vacuum', { name: 'y' }]],
    points: ['vacuum.begun', 'vacuum.done'],
  },
  {
    name: 'write to a tenant without a file',
    world: shared,
    steps: [insert({ tenant: 'z' }, 10)],
    points: [...firstWrite, ...commit],
  },
  {
    name: 'begin a transaction of a tenant without a file',
    world: shared,
    steps: [['transaction.begin', { tenant: 'z' }]],
    points: firstWrite,
  },
  {
    name: 'write to an inherited tenant without a file',
    world: quiet,
    steps: [insert({ branch: 'leaf', tenant: 'z' }, 10), insert({ branch: 'dev', tenant: 'z' }, 11)],
    points: [...firstWrite, 'firstWrite.fileMade:2', 'firstWrite.recorded:2'],
  },
  {
    name: 'write to a tenant whose file is the parent’s',
    world: shared,
    steps: [insert({ branch: 'dev', tenant: 'x' }, 10)],
    points: [...takeCopy, ...commit],
  },
  {
    name: 'write to a tenant whose large file is the parent’s, and has something in its log',
    world: large,
    steps: [insert({}, 400), ['branch.create', { name: 'dev' }], insert({ branch: 'dev' }, 500)],
    points: [
      'checkpoint.begun',
      'checkpoint.done',
      'share.checkpointed',
      'copyFile.copied',
      'takeCopy.copied',
      'takeCopy.recorded',
    ],
  },
  {
    name: 'write to a tenant whose file is the grandparent’s',
    world: quiet,
    steps: [insert({ branch: 'leaf', tenant: 'x' }, 10)],
    points: takeCopy,
  },
  {
    name: 'write to a tenant whose file a child and a grandchild see',
    world: shared,
    steps: [insert({ tenant: 'x' }, 10), insert({ branch: 'leaf', tenant: 'x' }, 11)],
    points: [...giveAway, ...commit, 'takeCopy.copied', 'takeCopy.recorded'],
  },
  {
    name: 'write to a tenant whose file only a grandchild sees',
    world: quiet,
    steps: [insert({ branch: 'dev', tenant: 'y' }, 10)],
    points: giveAway,
  },
  {
    name: 'edit a schema',
    world: quiet,
    steps: [addColumn('c')],
    points: [...flip, 'migrate.committing', 'migrate.committed', ...positions],
  },
  {
    name: 'edit a schema of many files',
    world: fleet,
    steps: [addColumn('c')],
    points: ['drain.writtenBeside', 'drain.writtenBeside:9', 'drain.renamed', 'drain.renamed:9', ...positions],
  },
  {
    name: 'edit a schema of a large file',
    world: large,
    steps: [addColumn('c'), ['column.alter', { table: 't', name: 'b', nullable: false }]],
    points: ['migrate.committing', 'migrate.committed', ...positions],
  },
  {
    name: 'edit a schema with a proof',
    world: shared,
    steps: [['index.create', { table: 't', columns: ['b'], unique: true }]],
    points: [...flip, 'migrate.committing', 'migrate.committed'],
  },
  {
    name: 'make a table anew',
    world: shared,
    steps: [['column.alter', { table: 't', name: 'b', nullable: false }], insert({ tenant: 'y' }, 10)],
    points: [...flip, 'migrate.committing', 'migrate.committed'],
  },
  {
    name: 'read a shared file that is two change sets behind',
    world: shared,
    steps: [
      addColumn('c', 'dev'),
      addColumn('d', 'dev'),
      ['query.run', { branch: 'dev', tenant: 'x', sql: 'select c, d from t' }],
    ],
    points: [
      'edit.flipped:2',
      'takeCopy.recorded',
      'migrate.committing',
      'migrate.committed',
      'migrate.committing:2',
      'migrate.committed:2',
      'positions.writing',
      'positions.written',
    ],
  },
  {
    name: 'take back a change set',
    world: ahead,
    steps: [['branch.revert', { name: 'dev', changeSet: '{edit}' }]],
    points: flip,
  },
  {
    name: 'merge, fast-forward',
    world: ahead,
    steps: [['branch.merge', { source: 'dev' }], insert({ tenant: 'y' }, 10)],
    points: [...flip, 'migrate.committing', 'migrate.committed', 'migrate.committed:2'],
  },
  {
    name: 'merge, three-way',
    world: diverged,
    steps: [['branch.merge', { source: 'dev' }], insert({ tenant: 'x' }, 10)],
    points: [...flip, 'migrate.committing', 'migrate.committed'],
  },
  {
    name: 'merge into the child, three-way',
    world: diverged,
    steps: [['branch.merge', { source: 'main', target: 'dev' }], insert({ branch: 'dev', tenant: 'x' }, 10)],
    points: [...flip, 'migrate.committing', 'migrate.committed'],
  },
  {
    name: 'merge and delete the source',
    world: diverged,
    steps: [['branch.merge', { source: 'dev', deleteSource: true }], insert({ branch: 'leaf', tenant: 'y' }, 10)],
    points: [...flip, 'linkFile.linked', ...deleteBranch],
  },
  {
    name: 'merge, fast-forward, and delete the source',
    world: ahead,
    steps: [['branch.merge', { source: 'dev', deleteSource: true }], insert({ tenant: 'y' }, 10)],
    points: [...flip, ...deleteBranch],
  },
  {
    name: 'delete the source of an earlier merge',
    world: diverged,
    steps: [
      ['branch.merge', { source: 'dev' }],
      ['branch.merge', { source: 'dev', deleteSource: true }],
    ],
    points: deleteBranch,
  },
  {
    name: 'delete a tenant',
    world: shared,
    steps: [['tenant.delete', { name: 'y' }]],
    points: [...deleteTenant, ...removeFile],
  },
  {
    name: 'delete a tenant whose file others see',
    world: shared,
    steps: [['tenant.delete', { name: 'x' }], ['tenant.create', { name: 'x' }], insert({ tenant: 'x' }, 10)],
    points: ['linkFile.linked', 'tenantDelete.handedOver', ...deleteTenant, ...removeFile, ...firstWrite],
  },
  {
    name: 'delete a tenant whose file is the parent’s',
    world: shared,
    steps: [['tenant.delete', { branch: 'dev', name: 'x' }]],
    points: deleteTenant,
  },
  {
    name: 'rename a tenant',
    world: shared,
    steps: [['tenant.rename', { name: 'y', newName: 'w' }]],
    points: ['linkFile.linked', ...renameTenant, ...removeFile],
  },
  {
    name: 'rename a tenant whose file others see',
    world: shared,
    steps: [['tenant.rename', { name: 'x', newName: 'w' }], insert({ tenant: 'w' }, 10)],
    points: ['linkFile.linked', ...renameTenant, ...removeFile, ...takeCopy],
  },
  {
    name: 'rename a tenant whose file is the parent’s',
    world: shared,
    steps: [
      ['tenant.rename', { branch: 'dev', name: 'x', newName: 'w' }],
      ['tenant.rename', { branch: 'dev', name: 'z', newName: 'x' }],
    ],
    points: ['tenantRename.recording', 'tenantRename.recorded', 'tenantRename.recording:2', 'tenantRename.recorded:2'],
  },
  {
    name: 'create a branch',
    world: shared,
    steps: [
      ['branch.create', { name: 'n', from: 'dev' }],
      ['branch.create', { name: 'o', data: false }],
    ],
    points: ['branchCreate.recording', 'branchCreate.recorded', 'branchCreate.recording:2', 'branchCreate.recorded:2'],
  },
  {
    name: 'delete a branch that has a child',
    world: shared,
    steps: [['branch.delete', { name: 'dev' }]],
    points: ['linkFile.linked', ...deleteBranch, ...removeFile],
  },
  {
    name: 'delete a branch with files that nobody else sees, and give its name to another',
    world: shared,
    steps: [
      insert({ branch: 'leaf', tenant: 'x' }, 10),
      ['branch.delete', { name: 'leaf' }],
      ['branch.rename', { name: 'dev', newName: 'leaf' }],
    ],
    points: [...deleteBranch, 'branchRename.recorded', 'plan.moved'],
  },
  {
    name: 'rename a branch',
    world: shared,
    steps: [['branch.rename', { name: 'dev', newName: 'n' }], insert({ branch: 'n', tenant: 'y' }, 10)],
    points: ['branchRename.recording', 'branchRename.recorded', 'plan.moved', 'plan.deleted', 'giveAway.recorded'],
  },
  {
    name: 'import an SQLite file into a tenant without a file',
    world: shared,
    steps: [['tenant.import', { name: 'z', path: '{project}/in.db' }]],
    points: [...importFile, 'import.placed', 'import.committed'],
  },
  {
    name: 'import an SQLite file with its schema',
    world: shared,
    steps: [['tenant.import', { database: 'blank', path: '{project}/in.db' }]],
    points: [...importFile, 'import.placed', ...flip],
  },
  {
    name: 'import an SQLite file into a tenant whose shared file is empty',
    world: shared,
    steps: [['tenant.import', { name: 'e', path: '{project}/in.db' }]],
    points: [
      ...giveAway,
      'dropFile.recording',
      'dropFile.recorded',
      ...importFile,
      'import.placed',
      'import.committed',
    ],
  },
  {
    name: 'import rows',
    world: shared,
    steps: [['tenant.import', { name: 'y', path: '{project}/in.csv', table: 't' }]],
    points: ['importRows.committing', 'importRows.committed'],
  },
  {
    name: 'import rows into a table that is made for them',
    world: shared,
    steps: [
      ['tenant.import', { name: 'y', path: '{project}/new.csv', table: 'n', create: true }],
      ['row.insert', { tenant: 'y', table: 'n', rows: [{ id: 62, b: 'b62' }] }],
    ],
    points: [...flip, 'importRows.planning', 'importRows.planned', 'importRows.committing', 'importRows.committed'],
    seconds: ['open.plansSettled', 'open.swept'],
  },
  {
    name: 'import rows into a table that is made for them, in a tenant without a file',
    world: quiet,
    steps: [['tenant.import', { name: 'z', path: '{project}/new.csv', table: 'n', create: true }]],
    points: [...firstWrite, 'importRows.planned', 'importRows.committing', 'importRows.committed', 'edit.flipped'],
    seconds: ['open.plansSettled'],
  },
  {
    name: 'copy a tenant',
    world: shared,
    steps: [['tenant.copy', { source: 'x', name: 'n' }], insert({ tenant: 'n' }, 10)],
    points: ['tenantCopy.copied', 'tenantCopy.recording', 'tenantCopy.recorded', 'moveFile.moved'],
  },
  {
    name: 'back up a branch',
    world: shared,
    steps: [['backup.create', {}]],
    points: [
      'backup.forked',
      'backup.filesSaved',
      'backup.written',
      'backup.placed',
      'branchDelete.recorded',
      'backup.forkDeleted',
    ],
  },
  {
    name: 'restore a branch',
    world: saved,
    steps: [['backup.restore', { backup: 'b', branch: 'n' }], insert({ branch: 'n', tenant: 'x' }, 10)],
    points: [
      'restore.branchMaking',
      'restore.branchMade',
      'restore.filled',
      'branchRename.recording',
      'branchRename.recorded',
      'plan.moved',
      'plan.deleted',
    ],
  },
  {
    name: 'restore a branch in place of another that has a child',
    world: saved,
    steps: [['backup.restore', { backup: 'd', force: true }], insert({ branch: 'leaf', tenant: 'y' }, 10)],
    points: [
      'branchDelete.handedOver',
      'branchRename.recording',
      'branchRename.recorded',
      'branchDelete.recorded',
      'branchDelete.setAside',
      'plan.moved',
      'branchDelete.freed',
    ],
  },
  {
    name: 'restore a tenant under another name',
    world: saved,
    steps: [['backup.restore', { backup: 'b', tenant: 'x', name: 'n' }], insert({ tenant: 'n' }, 10)],
    points: ['restore.copied', 'restore.recording', 'restore.recorded', 'moveFile.moved'],
  },
  {
    name: 'restore a tenant in place of itself, which others see',
    world: saved,
    steps: [['backup.restore', { backup: 'b', tenant: 'x', force: true }], insert({ tenant: 'x' }, 10)],
    points: ['restore.copied', 'restore.replacing', 'restore.replaced', 'moveFile.moved'],
  },
  {
    name: 'encrypt a tenant whose file the child sees',
    world: sealed,
    steps: [['tenant.encrypt', { name: 'x', key: keys.two }], insert({ tenant: 'x', key: keys.two }, 10)],
    points: ['giveAway.copied', 'giveAway.recorded', ...reencrypt],
  },
  {
    name: 'give a tenant another key, with what a killed daemon left of it',
    world: sealed,
    steps: [
      ['tenant.rekey', { name: 's', key: keys.one, newKey: keys.two }],
      insert({ tenant: 's', key: keys.two }, 10),
    ],
    points: reencrypt,
  },
  {
    name: 'settle what was left of a tenant that got another key',
    world: sealed,
    steps: [['tenant.rekey', { name: 's', key: keys.one, newKey: keys.two }]],
    points: ['reencrypt.planned', 'reencrypt.replaced'],
    seconds: ['plan.deleted', 'open.plansSettled'],
  },
  {
    name: 'decrypt a tenant whose file is the parent’s',
    world: sealed,
    steps: [
      ['tenant.decrypt', { branch: 'dev', name: 'q', key: keys.one }],
      insert({ branch: 'dev', tenant: 'q' }, 10),
    ],
    points: ['takeCopy.copied', 'takeCopy.recorded', ...reencrypt],
  },
  {
    name: 'encrypt, and decrypt again, a tenant without a file',
    world: sealed,
    steps: [
      ['tenant.decrypt', { name: 'z', key: keys.one }],
      ['tenant.encrypt', { name: 'z', key: keys.two }],
    ],
    points: ['reencrypt.recording', 'reencrypt.recorded', 'reencrypt.recording:2', 'reencrypt.recorded:2'],
  },
  {
    name: 'write to an encrypted tenant without a file',
    world: sealed,
    steps: [insert({ tenant: 'z', key: keys.one }, 10)],
    points: [...firstWrite, ...commit],
  },
  {
    name: 'rename a locked tenant, with what a killed daemon left of it',
    world: sealed,
    steps: [['tenant.rename', { name: 's', newName: 'w' }]],
    points: ['linkFile.linked', 'linkFile.linked:2', ...renameTenant, ...removeFile],
  },
  {
    name: 'import an SQLite file into an encrypted tenant',
    world: { ...sealed, prepare: writeInputs },
    steps: [['tenant.import', { name: 'z', key: keys.one, path: '{project}/in.db' }]],
    points: ['import.copied', 'import.finished', 'import.placed', 'import.committed'],
  },
]
