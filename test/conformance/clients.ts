import os from 'node:os'
import path from 'node:path'
import { cinchdCommand, findProgram, findPython, root } from '../e2e/foreign-support.ts'
import { vectorsFile } from './table.ts'

/** How the program of one client is run that tries the vectors; protocol/README.md tells what it prints. */
export interface VectorsProgram {
  readonly language: string
  /** Its folder in `protocol/clients`. */
  readonly folder: string
  /** The tool it needs; undefined where this machine has none. */
  readonly tool: string | undefined
  readonly args: readonly string[]
}

export const clients = path.join(root, 'protocol/clients')

/** One program a client. */
export const vectorsPrograms: readonly VectorsProgram[] = [
  { language: 'TypeScript', folder: 'typescript', tool: process.execPath, args: ['vectors.mjs'] },
  { language: 'Python', folder: 'python', tool: findPython(), args: ['conformance.py'] },
  {
    language: 'Go',
    folder: 'go',
    tool: findProgram('go', ['version']) ?? findProgram('/usr/local/go/bin/go', ['version']),
    args: ['run', './internal/vectors'],
  },
  {
    language: 'Rust',
    folder: 'rust',
    tool: findProgram('cargo') ?? findProgram(path.join(os.homedir(), '.cargo/bin/cargo')),
    args: ['run', '--quiet', '--locked', '--example', 'vectors'],
  },
]

/** What the programs find around them. None fetches anything, and none builds in its own folder. */
export const clientEnvironment: NodeJS.ProcessEnv = {
  ...process.env,
  CINCHD: cinchdCommand,
  CINCH_CHECK_RESULTS: '1',
  CINCH_VECTORS: vectorsFile,
  PYTHONDONTWRITEBYTECODE: '1',
  GOCACHE: process.env.GOCACHE ?? path.join(os.tmpdir(), 'cinch-gocache'),
  GOFLAGS: '-mod=mod',
  GOPROXY: 'off',
  GOTOOLCHAIN: 'local',
  CARGO_TARGET_DIR: path.join(os.tmpdir(), 'cinch-cargo-target'),
  CARGO_INCREMENTAL: '0',
  CARGO_PROFILE_DEV_DEBUG: '0',
}
