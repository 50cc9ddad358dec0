import { spawnSync } from 'node:child_process'
import os from 'node:os'
import path from 'node:path'
import { cinchdCommand, root } from '../e2e/foreign-support.ts'
import { vectorsFile } from './table.ts'

/** How the program of one client is run that tries the vectors; protocol/README.md tells what it prints. */
export interface VectorsProgram {
  readonly language: string
  /** The client's folder in `protocol/clients`. */
  readonly folder: string
  /** Tools that it needs, with what they are asked to see whether they run. */
  readonly tools: readonly (readonly [string, ...string[]])[]
  /** For a shell in that folder. `$OUT` is an empty folder for what is built. */
  readonly command: string
}

export const clients = path.join(root, 'protocol/clients')

/** One program a client. */
export const vectorsPrograms: readonly VectorsProgram[] = [
  { language: 'TypeScript', folder: 'typescript', tools: [['node', '--version']], command: 'node vectors.mjs' },
  { language: 'Python', folder: 'python', tools: [['python3', '--version']], command: 'python3 conformance.py' },
  { language: 'Go', folder: 'go', tools: [['go', 'version']], command: 'go run ./internal/vectors' },
  {
    language: 'Rust',
    folder: 'rust',
    tools: [['cargo', '--version']],
    command: 'cargo run --quiet --locked --example vectors',
  },
  {
    language: 'Java',
    folder: 'java',
    tools: [
      ['javac', '--version'],
      ['java', '--version'],
    ],
    command: `javac -encoding UTF-8 -d "$OUT" $(find src -name '*.java') && java -cp "$OUT" cinch.client.Vectors`,
  },
]

/** What the programs find around them. None builds in its own folder. */
export const clientEnvironment: NodeJS.ProcessEnv = {
  ...process.env,
  // Where Go and Rust are when nobody has put them on the PATH.
  PATH: [process.env.PATH, '/usr/local/go/bin', path.join(os.homedir(), '.cargo/bin')].join(path.delimiter),
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

/** Whether this machine can run a program. */
export function canRun({ tools }: VectorsProgram): boolean {
  return tools.every(
    ([tool, ...args]) => spawnSync(tool, args, { stdio: 'ignore', env: clientEnvironment }).status === 0,
  )
}
