import type { Argv } from 'yargs'
import type { MethodName, ParamsOf, ResultOf } from '../client/client.ts'
import type { Context } from './context.ts'
import { ddlText } from './ddl.ts'
import type { Key } from './key.ts'
import type { Output } from './output.ts'

/** What every command takes. */
export interface Globals {
  readonly project?: string
  readonly database?: string
  readonly branch?: string
  readonly tenant?: string
  readonly json: boolean
  readonly quiet: boolean
  readonly tenantKey?: string
  readonly keyFile?: string
  readonly keyCommand?: string
  readonly keyPrompt?: boolean
}

/** What a command takes, and what it does. */
export interface Body {
  options(parser: Argv<Globals>): Argv<Globals>
  run(context: Context, args: Globals): Promise<void>
}

/** A command of a noun: `usage` is its name and its positional arguments. */
export interface Command extends Body {
  readonly usage: string
  readonly summary: string
}

type Run<A> = (context: Context, args: A) => Promise<void>

/** Parsed options as yargs hands them over: `--dry-run` is `dryRun`. */
type Arguments<O> = { readonly [K in keyof O as CamelCase<K>]: O[K] }
type CamelCase<K> = K extends `${infer Head}-${infer Rest}`
  ? `${Head}${Capitalize<CamelCase<Rest> & string>}`
  : K & string

export function body<O extends Globals>(options: (parser: Argv<Globals>) => Argv<O>, run: Run<Arguments<O>>): Body {
  // Whoever parses with `options` runs with what came of it, so the two types of arguments are the same.
  return { options, run } as unknown as Body
}

export function command<O extends Globals>(
  usage: string,
  summary: string,
  options: (parser: Argv<Globals>) => Argv<O>,
  run: Run<Arguments<O>>,
): Command {
  return { usage, summary, ...body(options, run) }
}

/** A command that is one call: `--json` prints the result as it came, `show` prints it for people. */
export function call<M extends MethodName, A extends Globals>(
  method: M,
  params: (args: A) => ParamsOf<M>,
  show: (output: Output, result: ResultOf<M>, args: A) => void,
): Run<A> {
  return async (context, args) => {
    const result = await context.call(method, params(args))
    context.output.result(result, () => show(context.output, result, args))
  }
}

/** The same, with the key if one is given. */
export function keyedCall<M extends KeyedMethod, A extends Globals>(
  method: M,
  params: (args: A) => ParamsOf<M>,
  show: (output: Output, result: ResultOf<M>, args: A) => void,
): Run<A> {
  return async (context, args) => {
    const result = await context.call(method, { ...params(args), key: await context.key() } as ParamsOf<M>)
    context.output.result(result, () => show(context.output, result, args))
  }
}

/** The methods that take the key of a tenant. */
type KeyedMethod = { [M in MethodName]: ParamsOf<M> extends { key?: Key } ? M : never }[MethodName]

/** A command that looks at rows of the tenant in scope: if a key is given, the tenant is unlocked for it. */
export function unlocked<A extends Globals>(run: Run<A>): Run<A> {
  return async (context, args) => {
    await context.unlock()
    await run(context, args)
  }
}

export interface YesOption {
  readonly yes: boolean
}

/** A command that destroys something: asked about on a terminal, refused elsewhere without `--yes`. */
export function confirmed<A extends Globals & YesOption & Partial<EditOptions>>(
  question: (args: A) => string,
  run: Run<A>,
): Run<A> {
  return async (context, args) => {
    if (!args.yes && !args.dryRun) await context.confirm(question(args))
    await run(context, args)
  }
}

export function yesOption<A>(parser: Argv<A>) {
  return parser.option('yes', { alias: 'y', type: 'boolean', default: false, describe: 'do it without asking' })
}

export interface EditOptions {
  readonly dryRun: boolean
  readonly message?: string
}

export function editOptions<A>(parser: Argv<A>) {
  return parser
    .option('dry-run', { type: 'boolean', default: false, describe: 'print the plan; change nothing' })
    .option('message', { ...text('kept in the branch’s history'), alias: 'm' })
}

/** The methods that edit the schema. */
type EditMethod = { [M in MethodName]: ResultOf<M> extends ResultOf<'schema.apply'> ? M : never }[MethodName]

/** A command that edits the schema. `done` says what was done. */
export function edit<M extends EditMethod, A extends Globals & EditOptions>(
  method: M,
  params: (args: A) => ParamsOf<M> | Promise<ParamsOf<M>>,
  done: (args: A) => string,
): Run<A> {
  return async (context, args) => {
    const { dryRun, message } = args
    await context.unlock()
    // Every edit method takes these two beside its own parameters.
    const edited = { ...(await params(args)), dryRun, message } as ParamsOf<M>
    const result: ResultOf<'schema.apply'> = await context.call(method, edited)
    context.output.result(result, () => {
      if (dryRun) {
        showPlan(context.output, result.plan)
        const { tenantsToProve } = result
        if (tenantsToProve > 0) context.output.line(`-- the rows of ${tenantsToProve} tenants are looked at first`)
        context.output.note('Nothing was changed: this is a dry run.')
      } else if (result.changeSet === null) context.output.note('Nothing to do: it is so already.')
      else context.output.note(`${done(args)} (change set ${result.changeSet})`)
    })
  }
}

/** The SQL of a plan, with what is dangerous about it. */
export function showPlan(output: Output, plan: ResultOf<'schema.apply'>['plan']): void {
  const words = {
    destroysData: 'destroys data',
    rewritesTable: 'rewrites the table',
    needsProof: 'needs a proof',
  }
  const { style } = output
  for (const { sql, danger = [] } of plan) {
    if (danger.length > 0) output.line(style.dim(`-- ${danger.map((each) => `${words[each]} (${each})`).join(', ')}`))
    output.line(ddlText(`${sql.replace(/;\s*$/, '')};`, style))
  }
}

/** An option that takes one text. */
export function text(describe: string) {
  return { type: 'string', requiresArg: true, describe } as const
}

/** An option that takes a text each time it is given. */
export function texts(describe: string) {
  return { type: 'string', array: true, requiresArg: true, describe } as const
}

/** A positional argument that must be there. */
export function required(describe: string) {
  return { type: 'string', demandOption: true, describe } as const
}

/** A positional argument that may be left out. */
export function optional(describe: string) {
  return { type: 'string', describe } as const
}

/** `a,b` → its two names */
export function columnNames(list: string): string[] {
  return list.split(',').map((name) => name.trim())
}
