import fs from 'node:fs'
import { assertNever } from '../base/assert.ts'
import { crashPoint } from '../base/crash-point.ts'
import type { Plan } from '../catalog/plans.ts'
import { syncFolder } from '../storage/files.ts'
import { findChangeSet } from '../storage/tenant-file.ts'
import { isReplaced } from './encryption.ts'
import type { EngineParts } from './engine.ts'
import { setAside } from './leftovers.ts'

/** Settle what a crash left unsettled. */
export function settlePlans(parts: EngineParts): void {
  for (const plan of parts.catalog.plans.all()) settlePlan(parts, plan)
}

/** Make the catalog and the disk agree. */
export function settlePlan(parts: EngineParts, plan: Plan): void {
  switch (plan.kind) {
    case 'moveFolder':
      moveFolder(parts, plan)
      break
    case 'flip':
      makeUpForFlip(parts, plan)
      break
    case 'reencrypt':
      settleReencryption(parts, plan)
      break
    default:
      assertNever(plan)
  }
  crashPoint('plan.deleted')
}

function moveFolder(parts: EngineParts, plan: Plan & { readonly kind: 'moveFolder' }): void {
  const { catalog, layout } = parts
  const from = layout.absolute(plan.from)
  if (fs.existsSync(from)) {
    const to = layout.absolute(plan.to)
    // What lies there was a branch's that had to make room, and is nobody's now.
    setAside(parts, to)
    fs.renameSync(from, to)
    syncFolder(layout.root)
  }
  crashPoint('plan.moved')
  catalog.writeNow(() => catalog.plans.delete(plan.id))
}

/** Which of the two files lies there, the file tells: the catalog follows it. */
function settleReencryption(
  { allBranches, catalog, layout }: EngineParts,
  { id, branchId, fileId, cipher }: Plan & { readonly kind: 'reencrypt' },
): void {
  const file = catalog.files.get(fileId)
  const isDone = file !== undefined && isReplaced(layout.absolute(file.path), cipher)
  const branch = [...allBranches()].find(({ row }) => row.id === branchId)
  const user = catalog.tenants.usersOfFile(fileId).find(({ name }) => branch?.resolve(name)?.fileId === fileId)
  const tenant = isDone && user ? branch?.tenant(user.name) : undefined
  const row = catalog.writeNow(() => {
    catalog.plans.delete(id)
    return tenant?.recordCipher(cipher)
  })
  if (row) tenant?.follow(row)
}

/** Whether it was committed the file knows: if so the branch follows it, and if not nothing has happened. */
function makeUpForFlip(
  { allBranches, catalog, heads, layout }: EngineParts,
  { id, branchId, changeSet, fileId }: Plan & { readonly kind: 'flip' },
): void {
  const file = catalog.files.get(fileId)
  const isCommitted = file !== undefined && findChangeSet(layout.absolute(file.path)) === changeSet.id
  const branch = [...allBranches()].find(({ row }) => row.id === branchId && row.head === changeSet.parent)
  catalog.writeNow(() => {
    catalog.plans.delete(id)
    if (!isCommitted || !branch) return
    catalog.changeSets.insert({ ...changeSet, seq: catalog.nextSeq() })
    catalog.branches.setHead(branchId, changeSet.id)
  })
  if (!isCommitted || !branch) return
  branch.row = { ...branch.row, head: changeSet.id }
  branch.head = heads.get(changeSet.id)
}
