import { methodsByNoun, oneLine, pascal, singular } from './document.mjs'

/** Write the typed surface of the Python client, as `ruff format` would have it, from the OpenRPC document. */
export function pythonClient(document) {
  return new PythonClient(document).text()
}

/** What the client does by itself. */
const byHand = new Set(['initialize', 'plugin.register', 'plugin.unregister'])
const ofClient = new Set(['timeoutMs', 'progressToken', 'partialResultToken'])
const keywords = new Set(['from', 'import', 'in', 'is', 'not', 'class', 'global', 'pass', 'with', 'as', 'and', 'or'])

/** Components that are types of the client, as parameters and in results. */
const known = {
  Value: { param: 'Value', result: 'Any' },
  Key: { param: 'Union[Value, Mapping[str, Value]]', result: 'Any' },
  KvValue: { param: 'Any', result: 'Any' },
  Row: { param: 'Mapping[str, Value]', result: 'Row' },
  Where: { param: 'Mapping[str, Any]', result: 'Row' },
  TenantKey: { param: 'Key', result: 'Key' },
}

class PythonClient {
  #document
  #types = new Map()

  constructor(document) {
    this.#document = document
  }

  text() {
    const nouns = methodsByNoun(this.#document, byHand)
    const classes = ['', 'Async'].flatMap((kind) => [
      ...[...nouns].filter(([noun]) => noun !== '').map(([noun, methods]) => this.#noun(kind, noun, methods)),
      this.#api(kind, [...nouns.keys()].filter(Boolean), nouns.get('') ?? []),
    ])
    const types = [...this.#types].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text)
    return `${[head, ...types, ...classes].join('\n\n\n')}\n`
  }

  #api(kind, nouns, methods) {
    const own = nouns.map((noun) => `        self.${noun} = ${kind}${pascal(noun)}Api(request)`)
    return [
      `class ${kind}Api:\n    """Every method of the daemon, by what it is about."""\n`,
      `    def __init__(self, request: ${kind}Request) -> None:\n        self._request = request\n${own.join('\n')}\n`,
      methods.map((method) => this.#method(kind, method)).join('\n\n'),
    ].join('\n')
  }

  #noun(kind, noun, methods) {
    return [
      `class ${kind}${pascal(noun)}Api:\n    """The methods \`${noun}.…\`."""\n`,
      `    def __init__(self, request: ${kind}Request) -> None:\n        self._request = request\n`,
      methods.map((method) => this.#method(kind, method)).join('\n\n'),
    ].join('\n')
  }

  #method(kind, { name, summary, params, result }) {
    const own = params
      .filter((param) => !ofClient.has(param.name))
      .sort((a, b) => Number(b.required ?? false) - Number(a.required ?? false))
      .map((param) => this.#param(name, param))
    const answer = this.#type(`${pascal(name)}Result`, result.schema, 'result')
    const [async, wait] = kind === 'Async' ? ['async ', 'await '] : ['', '']
    const of = (way) => {
      const entries = own.filter((param) => param.way === way).map((param) => `"${param.wire}": ${param.name}`)
      return { open: '{', items: entries, close: '}' }
    }
    const given = ['always', 'optional', 'nullable'].map(of)
    while (given.length > 1 && given.at(-1).items.length === 0) given.pop()
    const sent = given.length === 1 ? given[0] : { open: '_given(', items: given, close: ')' }
    const docs = own.filter(({ doc }) => doc).map((param) => `        \`${param.name}\`: ${param.doc}`)
    const doc = docs.length === 0 ? oneLine(summary) : `${oneLine(summary)}\n\n${docs.join('\n')}\n        `
    const lines = [
      `    ${async}def ${word(name.split('.').at(-1))}(`,
      '        self,',
      '        *,',
      ...own.map((param) => `        ${param.name}: ${param.type}${param.preset},`),
      '        timeout: Optional[float] = None,',
      '        on_progress: Optional[Progress] = None,',
      `    ) -> ${answer}:`,
      `        """${doc}"""`,
      printed('        sent: Dict[str, Any] = ', sent, '', 8),
    ]
    const items = [`"${name}"`, 'sent', 'timeout=timeout', 'on_progress=on_progress']
    const call = { open: `${wait}self._request(`, items, close: ')' }
    if (answer === 'None') return [...lines, printed('        ', call, '', 8)].join('\n')
    return [...lines, printed(`        result: ${answer} = `, call, '', 8), '        return result'].join('\n')
  }

  #param(method, { name, required, schema }) {
    const type = this.#type(`${pascal(method)}${pascal(name)}`, schema, 'param')
    const takesNull = type === 'Any' || /\bNone\b|^Optional|^Value$|^Default$/.test(type)
    const way = required ? 'always' : takesNull ? 'nullable' : 'optional'
    const own = { wire: name, name: word(name), way, doc: described(schema) }
    if (way === 'always') return { ...own, type, preset: '' }
    if (way === 'optional') return { ...own, type: `Optional[${type}]`, preset: ' = None' }
    return { ...own, type: type === 'Any' ? type : `Union[${type}, Unset]`, preset: ' = UNSET' }
  }

  #type(name, schema, use) {
    if (schema.$ref) return this.#reference(schema.$ref.split('/').at(-1), use)
    const others = (schema.anyOf ?? schema.oneOf)?.map((each, at) => this.#alternative(name, each, at, use))
    if (others) return union(others)
    if (Array.isArray(schema.type)) {
      if (schema.type.includes('object')) return use === 'param' ? 'Params' : 'Any'
      return union(schema.type.map((type) => this.#type(name, { ...schema, type }, use)))
    }
    if (schema.const !== undefined) return `Literal[${schema.const === true ? 'True' : `"${schema.const}"`}]`
    switch (schema.type) {
      case 'null':
        return 'None'
      case 'string':
        return schema.enum ? `Literal[${schema.enum.map((each) => `"${each}"`).join(', ')}]` : 'str'
      case 'integer':
        return 'int'
      case 'number':
        return 'float'
      case 'boolean':
        return 'bool'
      case 'array':
        return `${use === 'param' ? 'Sequence' : 'List'}[${this.#type(singular(name), schema.items ?? {}, use)}]`
      case 'object':
        return this.#object(name, schema, use)
      default:
        return 'Any'
    }
  }

  #alternative(name, schema, at, use) {
    const kind = schema.properties?.kind?.const
    const own = kind ? `${name}${pascal(kind)}` : schema.type === 'object' && at > 0 ? `${name}${at + 1}` : name
    return this.#type(own, schema, use)
  }

  #object(name, schema, use) {
    const each = schema.additionalProperties
    const isOpen = each === undefined || each === true || (typeof each === 'object' && Object.keys(each).length === 0)
    if (Object.keys(schema.properties ?? {}).length > 0 && !isOpen) return this.#typedDict(name, schema, use)
    const mapping = use === 'param' ? 'Mapping' : 'Dict'
    if (each === false) return 'None'
    return `${mapping}[str, ${isOpen ? 'Any' : this.#type(singular(name), each, use)}]`
  }

  #reference(name, use) {
    if (known[name]) return known[name][use]
    const schema = this.#document.components.schemas[name]
    const type = this.#type(name === 'Columns' ? 'ResultColumns' : name, schema, use)
    if (!/^Union/.test(type)) return type
    // One that is long is said once.
    const items = type.slice('Union['.length, -1).split(', ')
    const quoted = items.map((item) => (this.#types.has(item) ? `"${item}"` : item))
    this.#types.set(name, printed(`${name} = `, { open: 'Union[', items: quoted, close: ']' }, '', 0))
    return name
  }

  #typedDict(name, schema, use) {
    if (this.#types.has(name)) return name
    this.#types.set(name, '')
    const required = new Set(schema.required ?? [])
    const fields = Object.entries(schema.properties).flatMap(([property, field]) => {
      if (keywords.has(property)) throw new Error(`${name}.${property} is a word of Python`)
      const type = this.#type(`${name}${pascal(property)}`, field, use)
      const doc = described(field)
      return [
        `    ${property}: ${required.has(property) ? type : `NotRequired[${type}]`}`,
        ...(doc ? [`    """${sentence(doc)}"""`] : []),
      ]
    })
    const doc = schema.description ? `    """${sentence(schema.description)}"""\n\n` : ''
    this.#types.set(name, `class ${name}(TypedDict):\n${doc}${fields.join('\n')}`)
    return name
  }
}

const head = `"""Every method of the daemon, with its types: \`db.api.branch.create(name="b")\`.

Generated by scripts/protocol from protocol/openrpc.json; do not edit. Parameters that are left out are not sent.
"""

from __future__ import annotations

from typing import (
    TYPE_CHECKING,
    Any,
    Awaitable,
    Dict,
    List,
    Literal,
    Mapping,
    Optional,
    Protocol,
    Sequence,
    TypedDict,
    Union,
)

from ._results import Progress
from ._values import UNSET, Key, Params, Row, Unset, Value

if TYPE_CHECKING:
    from typing_extensions import NotRequired


class Request(Protocol):
    """How a client asks."""

    def __call__(
        self,
        method: str,
        params: Optional[Mapping[str, Any]] = None,
        *,
        timeout: Optional[float] = None,
        on_progress: Optional[Progress] = None,
    ) -> Any: ...


class AsyncRequest(Protocol):
    """How a client of asyncio asks."""

    def __call__(
        self,
        method: str,
        params: Optional[Mapping[str, Any]] = None,
        *,
        timeout: Optional[float] = None,
        on_progress: Optional[Progress] = None,
    ) -> Awaitable[Any]: ...


def _given(
    always: Mapping[str, Any],
    optional: Mapping[str, Any],
    nullable: Mapping[str, Any] = {},
) -> Dict[str, Any]:
    return {
        **always,
        **{name: value for name, value in optional.items() if value is not None},
        **{name: value for name, value in nullable.items() if value is not UNSET},
    }`

/** A list between brackets, on one line where that has room, else one item a line. */
function printed(before, node, after, indent) {
  if (typeof node === 'string') return `${before}${node}${after}`
  const line = `${before}${flat(node)}${after}`
  if (line.length <= 120 || node.items.length === 0) return line
  const items = node.items.map((item) => printed(' '.repeat(indent + 4), item, ',', indent + 4))
  return `${before}${node.open}\n${items.join('\n')}\n${' '.repeat(indent)}${node.close}${after}`
}

function flat(node) {
  return typeof node === 'string' ? node : `${node.open}${node.items.map(flat).join(', ')}${node.close}`
}

function union(types) {
  const unlike = [...new Set(types)].filter((type) => type !== 'None')
  const isOptional = types.includes('None')
  if (unlike.includes('Any')) return 'Any'
  const one = unlike.length === 1 ? unlike[0] : `Union[${unlike.join(', ')}]`
  return isOptional ? `Optional[${one}]` : one
}

function described(schema) {
  const preset = schema.default === undefined ? '' : `default: ${JSON.stringify(schema.default)}`
  return [schema.description, preset].filter(Boolean).map(oneLine).join('; ').replaceAll('\\', '\\\\')
}

function word(name) {
  const snake = name.replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase()
  return keywords.has(snake) ? `${snake}_` : snake
}

function sentence(text) {
  return `${text.slice(0, 1).toUpperCase()}${oneLine(text).slice(1).replace(/\.$/, '')}.`
}
