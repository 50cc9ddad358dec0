import fs from 'node:fs'
import path from 'node:path'
import { output, root } from '../e2e/foreign-support.ts'
import { temporaryFolder } from '../support/project.ts'

const modules = path.join(root, 'node_modules')
const { dependencies } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))

/** The compiler at its strictest, as it reads and writes modules of Node. */
const strictest = {
  target: 'ES2023',
  lib: ['ES2023', 'ESNext.Disposable'],
  module: 'NodeNext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noFallthroughCasesInSwitch: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noPropertyAccessFromIndexSignature: true,
  noUncheckedIndexedAccess: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  verbatimModuleSyntax: true,
  skipLibCheck: false,
}

/** Environment of a program that finds the daemon of its own package. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const { CINCHD: _, CINCH_PROJECT: __, NODE_OPTIONS: ___, ...env } = process.env
  return env
}

/** The package as `npm pack` makes it. */
export async function pack(keep: (work: () => unknown) => void): Promise<string> {
  const folder = temporaryFolder(keep)
  const args = ['pack', '--ignore-scripts', '--silent', '--offline', '--pack-destination', folder]
  await output('npm', args, { cwd: root, env: plainEnvironment() })
  return path.join(folder, fs.readdirSync(folder)[0] as string)
}

/** A package with the tarball installed as `npm install` does it, but for the dependencies, which are this project's own. */
export class Consumer {
  readonly folder = temporaryFolder()

  static async install(tarball: string, type: 'module' | 'commonjs'): Promise<Consumer> {
    const consumer = new Consumer()
    consumer.write('package.json', JSON.stringify({ type }))
    consumer.write('tsconfig.json', JSON.stringify({ compilerOptions: strictest }))
    const cinch = path.join(consumer.folder, 'node_modules/cinch')
    fs.mkdirSync(cinch, { recursive: true })
    await output('tar', ['-xzf', tarball, '-C', cinch, '--strip-components=1'])
    consumer.#link('@types/node')
    fs.mkdirSync(path.join(consumer.folder, 'node_modules/.bin'))
    for (const [name, file] of Object.entries(consumer.#manifest.bin)) {
      fs.chmodSync(path.join(cinch, file), 0o755)
      fs.symlinkSync(path.join('../cinch', file), path.join(consumer.folder, 'node_modules/.bin', name))
    }
    return consumer
  }

  write(file: string, text: string): void {
    fs.writeFileSync(path.join(this.folder, file), text)
  }

  /** Compile what is there, without any package but `cinch` and the types of Node. */
  async compile(): Promise<void> {
    await output(path.join(modules, '.bin/tsc'), [], { cwd: this.folder, env: plainEnvironment() })
  }

  /** Run a program with what the package depends on in place. */
  async run(command: string, args: readonly string[]): Promise<string> {
    for (const name of Object.keys(dependencies)) this.#link(name)
    return output(command, args, { cwd: this.folder, env: plainEnvironment() })
  }

  get #manifest(): { readonly bin: Record<string, string> } {
    return JSON.parse(fs.readFileSync(path.join(this.folder, 'node_modules/cinch/package.json'), 'utf8'))
  }

  #link(name: string): void {
    const link = path.join(this.folder, 'node_modules', name)
    if (fs.existsSync(link)) return
    fs.mkdirSync(path.dirname(link), { recursive: true })
    fs.symlinkSync(path.join(modules, name), link)
  }
}
