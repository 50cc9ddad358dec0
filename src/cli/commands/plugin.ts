import fs from 'node:fs'
import path from 'node:path'
import { call, command, optional, required, text } from '../command.ts'
import { CliError, UsageError } from '../errors.ts'
import { jsonOf } from '../input.ts'
import { pluginSkeleton } from '../plugin-skeleton.ts'

export const plugin = [
  command(
    'list',
    'List the plugins at work, in the order in which they were loaded',
    (parser) => parser,
    call(
      'plugin.list',
      () => ({}),
      (output, { plugins }) => {
        output.table(
          ['name', 'version', 'runs in', 'hooks', 'on failure', 'calls', 'failures', 'restarts'],
          plugins.map((plugin) => {
            const { name, version, runsIn, hooks, onFailure, calls, failures, restarts } = plugin
            return [name, version, runsIn, hooks.join(' '), onFailure, calls, failures, restarts]
          }),
        )
        for (const { name, trouble, lastFailure } of plugins) {
          const reason = trouble ?? lastFailure?.reason
          if (reason !== undefined) output.note(`${name}: ${reason}`)
        }
      },
    ),
  ),
  command(
    'load [path]',
    'Load a plugin into the daemon that runs, whose rights it has, until it stops; config.json names those of every start',
    (parser) =>
      parser
        .positional('path', optional('a file, or a folder with one or several'))
        .option('package', text('a package that is installed for the project, instead'))
        .option('settings', text('JSON; what the plugin says it takes; - reads it from standard input'))
        .option('run-in', {
          choices: ['worker', 'daemon'],
          requiresArg: true,
          describe: 'default: worker, a thread of its own',
        })
        .option('on-failure', {
          choices: ['fail', 'skip'],
          requiresArg: true,
          describe: 'what becomes of a statement that it fails; default: fail if it looks at statements beforehand',
        }),
    async (context, { path: file, package: name, settings, runIn, onFailure }) => {
      const result = await context.call('plugin.load', {
        // As seen from here; the daemon may be somewhere else.
        path: file === undefined ? undefined : path.resolve(file),
        package: name,
        settings: settings === undefined ? undefined : await jsonOf(settings, '--settings'),
        runIn: runIn as 'worker' | 'daemon' | undefined,
        onFailure: onFailure as 'fail' | 'skip' | undefined,
      })
      context.output.result(result, () => {
        for (const { name, version, methods } of result.plugins) {
          context.output.note(`Loaded plugin ${name} ${version}.`)
          for (const method of methods) context.output.note(`  ${method.name}: ${method.summary}`)
        }
      })
    },
  ),
  command(
    'unload <name>',
    'Unload a plugin',
    (parser) => parser.positional('name', required('the plugin')),
    call(
      'plugin.unload',
      ({ name }) => ({ name }),
      (output, _, { name }) => output.note(`Unloaded plugin ${name}.`),
    ),
  ),
  command(
    'new <name> [dir]',
    'Write a plugin to begin with: code, a test, and a README',
    (parser) =>
      parser.positional('name', required('lower case, digits and -')).positional('dir', optional('default: its name')),
    async (context, { name, dir }) => {
      if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
        throw new UsageError(`${name}: a plugin’s name has letters a-z, digits and single -, and starts with a letter`)
      }
      const folder = path.resolve(dir ?? name)
      const files = pluginSkeleton(name)
      fs.mkdirSync(folder, { recursive: true })
      const taken = Object.keys(files).find((file) => fs.existsSync(path.join(folder, file)))
      if (taken !== undefined) {
        throw new CliError('fileExists', 'The file exists', { data: { path: path.join(folder, taken) } })
      }
      for (const [file, text] of Object.entries(files)) fs.writeFileSync(path.join(folder, file), text, { flag: 'wx' })
      context.output.result({ folder, files: Object.keys(files) }, () => {
        context.output.note(`Wrote ${Object.keys(files).join(', ')} to ${folder}.`)
        context.output.note(`Next: node --test ${folder}; cinch plugin load ${path.join(folder, 'plugin.mjs')}`)
      })
    },
  ),
]
