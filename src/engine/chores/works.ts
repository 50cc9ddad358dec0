import { checkSaved, restoreFiles, saveFile, saveFiles } from '../backup/files.ts'
import { copyFile } from '../transfer/copy.ts'
import { inferTable, insertFile } from '../transfer/insert-file.ts'
import { exportRows } from '../transfer/rows-export.ts'
import { exportSqlite } from '../transfer/sqlite-export.ts'
import { takeIn } from '../transfer/take-in.ts'
import { checkFile, migrateFile, probeFile, vacuumFile } from './upkeep.ts'

/** All that is done in processes of `Chores`, by name: each takes plain values, and a `Link` if it has something to say. */
export const works = {
  checkFile,
  checkSaved,
  copyFile,
  exportRows,
  exportSqlite,
  inferTable,
  insertFile,
  migrateFile,
  probeFile,
  restoreFiles,
  saveFile,
  saveFiles,
  takeIn,
  vacuumFile,
}
export type Works = typeof works
