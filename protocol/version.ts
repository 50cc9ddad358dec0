/** The version of the wire contract. A client and a daemon of one major version understand each other. */
export const protocolVersion = '1.0'

/** The version of the product, as in package.json (a test compares them). */
export const productVersion = '0.1.0'

/** Whether a client that speaks `wanted` can talk to this daemon. */
export function isCompatible(wanted: string): boolean {
  return wanted.split('.')[0] === protocolVersion.split('.')[0]
}
