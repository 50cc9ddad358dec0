import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { fillCinch } from './point-read.mjs'
import { startCinch } from './support/cinch.mjs'
import { temporaryFolder } from './support/cleanup.mjs'
import { interleaved } from './support/rounds.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const programs = path.join(root, 'scripts/bench/clients')
const rowCount = 20_000

/**
 * What each language's client makes of the same reads, one at a time, each in a program of its own: `clients/LANGUAGE.*` takes
 * the project, the seconds and the number of rows, and prints `{"reads": …, "seconds": …}`.
 */
export async function clients(bench) {
  const { rounds, quick, report, dist } = bench
  const seconds = quick ? 0.5 : 2
  const cinch = await startCinch(bench)
  const client = await cinch.connect()
  await fillCinch(client, rowCount)
  client.close()

  const contenders = {}
  for (const [language, how] of Object.entries(languages)) {
    const program = await prepared(how)
    if (typeof program === 'string') {
      report.note(`the ${language} client is skipped: ${program}`)
      continue
    }
    contenders[language] = async () => {
      const [command, ...args] = [...program.command, cinch.project, String(seconds), String(rowCount), dist]
      const { stdout } = await run(command, args, { env: { ...process.env, ...program.env } })
      const measured = JSON.parse(stdout)
      return measured.reads / measured.seconds
    }
  }
  const found = await interleaved(rounds, contenders)
  for (const language of Object.keys(contenders)) {
    const peers = language === 'TypeScript' ? [] : [{ name: 'the TypeScript client', values: found.TypeScript }]
    report.add({ what: `row.get by the ${language} client`, unit: 'reads/s', cinch: found[language], peers })
  }
  await cinch.stop()
}

const run = promisify(execFile)

/** How each language's program is run, once it is compiled. */
const languages = {
  TypeScript: { prepare: () => ({ command: [process.execPath, path.join(programs, 'typescript.mjs')] }) },
  Python: {
    client: 'python',
    async prepare({ client }) {
      await run('python3', ['--version'])
      const env = { PYTHONPATH: client, PYTHONDONTWRITEBYTECODE: '1' }
      return { command: ['python3', path.join(programs, 'python.py')], env }
    },
  },
  Go: {
    client: 'go',
    async prepare({ client, folder }) {
      const module = `module bench\n\ngo 1.24\n\nrequire cinch v0.1.0\n\nreplace cinch => ${client}\n`
      fs.writeFileSync(path.join(folder, 'go.mod'), module)
      fs.copyFileSync(path.join(programs, 'go.go'), path.join(folder, 'main.go'))
      const env = { ...process.env, GOFLAGS: '-mod=mod', GOPROXY: 'off', GOTOOLCHAIN: 'local' }
      await run('go', ['build', '-o', 'reads', '.'], { cwd: folder, env })
      return { command: [path.join(folder, 'reads')] }
    },
  },
  Rust: {
    client: 'rust',
    async prepare({ client, folder }) {
      const manifest = `[package]\nname = "reads"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\ncinch-client = { path = ${JSON.stringify(client)} }\n`
      fs.writeFileSync(path.join(folder, 'Cargo.toml'), manifest)
      fs.mkdirSync(path.join(folder, 'src'))
      fs.copyFileSync(path.join(programs, 'rust.rs'), path.join(folder, 'src/main.rs'))
      const target = path.join(folder, 'target')
      const env = { ...process.env, CARGO_TARGET_DIR: target }
      await run('cargo', ['build', '--release', '--quiet'], { cwd: folder, env })
      return { command: [path.join(target, 'release/reads')] }
    },
  },
  Java: {
    client: 'java',
    async prepare({ client, folder }) {
      const sources = path.join(client, 'src/main/java')
      const files = fs.readdirSync(sources, { recursive: true }).filter((file) => file.endsWith('.java'))
      const program = path.join(folder, 'Reads.java')
      fs.copyFileSync(path.join(programs, 'java.java'), program)
      await run('javac', ['-d', folder, ...files.map((file) => path.join(sources, file)), program])
      return { command: ['java', '-cp', folder, 'Reads'] }
    },
  },
}

/** A program, or why there is none. Only what is not here is a reason: what does not compile is a fault. */
async function prepared({ client, prepare }) {
  const source = client && path.join(root, 'protocol/clients', client)
  if (source !== undefined && !fs.existsSync(source)) return 'it is not here'
  try {
    return await prepare({ client: source, folder: temporaryFolder('client') })
  } catch (error) {
    if (error.code === 'ENOENT') return `no ${error.path} here`
    throw error
  }
}
