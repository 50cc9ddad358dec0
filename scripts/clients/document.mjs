/** What the generators of clients read in the OpenRPC document, and how they make words of it. */

/** Methods whose shape depends on a parameter, or that belong to the connection: written by hand, or by `call` alone. */
export const byHand = new Set([
  'initialize',
  'shutdown',
  'session.setScope',
  'query.run',
  'query.execute',
  'query.batch',
  'query.open',
  'query.fetch',
  'query.close',
  'transaction.begin',
  'transaction.commit',
  'transaction.rollback',
  // The client answers no hooks.
  'plugin.register',
  'plugin.unregister',
])

/** Parameters that a client gives by itself. */
export const ofScope = new Set(['database', 'branch', 'tenant', 'transaction', 'timeoutMs', 'progressToken'])

/** Methods by their noun, in the order of the document; those whose names have none are under `without`. */
export function methodsByNoun({ methods }, leftOut, without = '') {
  const nouns = new Map()
  for (const method of methods) {
    if (leftOut.has(method.name)) continue
    const noun = nounOf(method) || without
    nouns.set(noun, [...(nouns.get(noun) ?? []), method])
  }
  return nouns
}

export function nounOf({ name }) {
  return name.includes('.') ? name.split('.')[0] : ''
}

/** `schema.apply` as `SchemaApply`. */
export function pascal(name) {
  return name
    .split('.')
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1))
    .join('')
}

/** What one of a list is called. */
export function singular(name) {
  if (name.endsWith('ies')) return `${name.slice(0, -3)}y`
  if (name.endsWith('s') && !name.endsWith('ss')) return name.slice(0, -1)
  return `${name}Item`
}

export function lower(text) {
  return text.slice(0, 1).toLowerCase() + text.slice(1)
}

export function oneLine(text) {
  return text.replaceAll(/\s*\n\s*/g, ' ')
}
