import { spawnSync } from 'node:child_process'
import { nounOf, oneLine, pascal } from './document.mjs'

/** Write the typed surface of the TypeScript client from the OpenRPC document, in this project's format. */
export function typescriptClient(document) {
  const text = new TypescriptClient(document).text()
  const args = ['format', '--stdin-file-path=src/client/methods.ts']
  const { status, stdout, stderr } = spawnSync('node_modules/.bin/biome', args, { input: text, encoding: 'utf8' })
  if (status !== 0) throw new Error(`biome: ${stderr}`)
  return stdout
}

/** Nouns whose methods belong to the connection or are written by hand; `call` reaches them all the same. */
const nounsByHand = new Set(['', 'query', 'session', 'transaction'])

/** A connection begins with the first by itself; the client answers no hooks. */
const left = new Set(['initialize', 'plugin.register', 'plugin.unregister'])

/** What the client gives by itself. */
const ofClient = new Set(['transaction', 'timeoutMs', 'progressToken', 'partialResultToken'])

/** Types that are written by hand, in parameters and in results. */
const known = {
  Value: ['ValueInput', 'Value'],
  Row: ['RowInput', 'Row'],
  KvValue: ['KvValueInput', 'KvValue'],
  Key: ['Key', 'Key'],
  Where: ['Where', 'Where'],
  Columns: ['readonly ResultColumn[]', 'readonly ResultColumn[]'],
}

class TypescriptClient {
  #document
  #types = new Map()

  constructor(document) {
    this.#document = document
  }

  text() {
    const methods = this.#document.methods.filter(({ name }) => !left.has(name))
    const shapes = methods.map((method) => this.#shapes(method))
    const nouns = [...new Set(methods.map(nounOf))].filter((noun) => !nounsByHand.has(noun))
    const surface = nouns.map((noun) => [noun, methods.filter((method) => nounOf(method) === noun)])
    return [
      '// Written by scripts/protocol from protocol/openrpc.json; do not edit.',
      "import type { CallOptions } from './cinch.ts'\nimport type { Key, KvValue, KvValueInput, ResultColumn, Row, RowInput, StatementParams, Value, Where } from './values.ts'",
      `/** Every method, by its name on the wire. */\nexport interface Methods {${methods.map(({ name }) => `'${name}': { params: ${pascal(name)}Params; result: ${pascal(name)}Result }`).join('\n')}}`,
      'export type MethodName = keyof Methods',
      "export type ParamsOf<M extends MethodName> = Methods[M]['params']",
      "export type ResultOf<M extends MethodName> = Methods[M]['result']",
      scopesText(methods),
      'type Call = <M extends MethodName>(method: M, params: ParamsOf<M>, options?: CallOptions) => Promise<ResultOf<M>>',
      `/** The daemon’s methods, by what they are about. */\nexport abstract class Nouns {${surface.map(([noun]) => `readonly ${noun}: ${pascal(noun)}Methods`).join('\n')}\n\nconstructor() {const call: Call = (method, params, options) => this.call(method, params, options)\n${surface.map(([noun]) => `this.${noun} = new ${pascal(noun)}Methods(call)`).join('\n')}}\n\nabstract call<M extends MethodName>(method: M, params: ParamsOf<M>, options?: CallOptions): Promise<ResultOf<M>>}`,
      ...surface.map(([noun, methods]) => nounText(noun, methods)),
      ...shapes,
      ...[...this.#types].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text),
    ].join('\n\n')
  }

  /** What a method takes and gives. */
  #shapes({ name, params, result }) {
    const type = pascal(name)
    const own = params.filter((param) => !ofClient.has(param.name) || (param.required && param.name === 'transaction'))
    const properties = Object.fromEntries(own.map((param) => [param.name, param.schema]))
    const required = own.filter((param) => param.required).map((param) => param.name)
    const taken = this.#members({ properties, required, additionalProperties: false }, true)
    const given = result.schema
    const isShape = given.type === 'object' && given.properties && !given.$ref
    return [
      taken === ''
        ? `export type ${type}Params = { readonly [name: string]: never }`
        : `export interface ${type}Params {\n${taken}}`,
      isShape && Object.keys(given.properties).length > 0
        ? `export interface ${type}Result {\n${this.#members(given, false)}}`
        : `export type ${type}Result = ${isShape ? '{ readonly [name: string]: never }' : this.#type(given, false)}`,
    ].join('\n\n')
  }

  #members(schema, isParam) {
    const required = new Set(schema.required ?? [])
    const members = Object.entries(schema.properties ?? {}).map(([name, property]) => {
      const type = this.#type(property, isParam)
      return `${docText(property)}readonly ${name}${required.has(name) ? ':' : '?:'} ${type}${required.has(name) ? '' : ' | undefined'}`
    })
    const isOpen = typeof schema.additionalProperties === 'object' && Object.keys(schema.properties ?? {}).length > 0
    return [...members, ...(isOpen ? ['readonly [more: string]: unknown'] : [])].join('\n')
  }

  #type(schema, isParam) {
    if (schema.$ref) return this.#reference(schema.$ref.split('/').at(-1), isParam)
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
    if (schema.const !== undefined) return JSON.stringify(schema.const)
    const choices = schema.anyOf ?? schema.oneOf
    if (choices) return union(choices.map((choice) => this.#type(choice, isParam)))
    if (Array.isArray(schema.type)) {
      if (schema.type.includes('object')) return 'StatementParams'
      return union(schema.type.map((type) => this.#type({ ...schema, type }, isParam)))
    }
    switch (schema.type) {
      case 'integer':
      case 'number':
        return 'number'
      case 'string':
      case 'boolean':
      case 'null':
        return schema.type
      case 'array': {
        const item = this.#type(schema.items ?? {}, isParam)
        return `readonly ${/^[\w.]+$|^\{/.test(item) && !item.includes(' | ') ? item : `(${item})`}[]`
      }
      case 'object': {
        if (Object.keys(schema.properties ?? {}).length > 0) return `{\n${this.#members(schema, isParam)} }`
        const each = schema.additionalProperties
        const isTyped = typeof each === 'object' && Object.keys(each).length > 0
        return `{ readonly [name: string]: ${isTyped ? this.#type(each, isParam) : 'unknown'} }`
      }
      default:
        return 'unknown'
    }
  }

  #reference(name, isParam) {
    if (known[name]) return known[name][isParam ? 0 : 1]
    const schema = this.#document.components.schemas[name]
    if (schema.type === 'string' && !schema.enum) return 'string'
    if (!this.#types.has(name)) {
      this.#types.set(name, '')
      const isShape = schema.type === 'object' && schema.properties
      const text = isShape
        ? `interface ${name} {\n${this.#members(schema, isParam)}}`
        : `type ${name} = ${this.#type(schema, isParam)}`
      this.#types.set(name, `${docText(schema)}export ${text}`)
    }
    return name
  }
}

/** By which parameters a method is told where it is to go, and whether it takes part in a transaction. */
function scopesText(methods) {
  const lines = methods.map((method) => {
    const { name, params } = method
    const has = (param) => params.some((each) => each.name === param)
    // What a method is about goes by `name`: where that may be left out, it is the scope's.
    const byName = params.some((param) => param.name === 'name' && !param.required)
    const fields = ['database', 'branch', 'tenant'].flatMap((scope) => {
      if (has(scope)) return [`${scope}: '${scope}'`]
      return byName && nounOf(method) === scope ? [`${scope}: 'name'`] : []
    })
    if (has('transaction')) fields.push('transaction: true')
    return `'${name}': { ${fields.join(', ')} }`
  })
  return [
    '/** By which parameters a method is told where it is to go, and whether it takes part in a transaction. */',
    'export interface Takes {readonly database?: string\n readonly branch?: string\n readonly tenant?: string\n readonly transaction?: true}',
    `export const takes: { readonly [M in MethodName]: Takes } = {${lines.join(',\n')}}`,
  ].join('\n\n')
}

function nounText(noun, methods) {
  const functions = methods.map(({ name, summary, params }) => {
    const isOptional = !params.some((param) => param.required)
    const type = `${pascal(name)}Params`
    return `/** ${oneLine(summary)} */\n${name.split('.')[1]}(params: ${type}${isOptional ? ' = {}' : ''}, options?: CallOptions): Promise<${pascal(name)}Result> { return this.#call('${name}', params, options) }`
  })
  return `export class ${pascal(noun)}Methods {readonly #call: Call\n\nconstructor(call: Call) {this.#call = call}\n\n${functions.join('\n\n')}}`
}

function union(types) {
  return [...new Set(types)].map((type) => (type.startsWith('readonly ') ? `(${type})` : type)).join(' | ')
}

function docText({ description, default: preset }) {
  const said = [description, preset !== undefined && `default: ${JSON.stringify(preset)}`].filter(Boolean).join('; ')
  return said ? `/** ${oneLine(said).replaceAll('*/', '*\\/')} */\n` : ''
}
