import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { assert } from '../base/assert.ts'
import { type FileKey, forget, type Secret } from '../storage/cipher.ts'

/**
 * The keys of encrypted files, each in memory for as long as somebody holds it: a session that has a tenant unlocked, a
 * call that was given the key, or who has the file in use. With the last of them the key is zeros, and the file closed.
 *
 * **Invariant:** that a key is here says nothing of who may use it. A call gets a tenant only with a key of its own, or
 * if its own session has it unlocked (`Keyring`); whoever looks into a whole branch asks for each tenant.
 */
export class Keys {
  readonly #held = new Map<string, HeldKey>()
  readonly #onEnd: (cipher: string) => void

  /** @param onEnd told of a cipher whose key is about to go */
  constructor(onEnd: (cipher: string) => void) {
    this.#onEnd = onEnd
  }

  /** Have a key, which is the right one, in memory until the function is called that this gives. */
  hold(key: FileKey, secret?: Secret): () => void {
    const held = this.#held.get(key.cipher) ?? { key, secret: undefined, holders: 0 }
    this.#held.set(key.cipher, held)
    if (held.key !== key) forget(key)
    if (secret !== undefined) held.secret ??= markOf(key.cipher, secret)
    held.holders++
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#letGo(held)
    }
  }

  /** Have a key stay that is here. */
  keep(cipher: string): () => void {
    const held = this.#held.get(cipher)
    assert(held, 'a key was to stay that is not here')
    return this.hold(held.key)
  }

  find(cipher: string): FileKey | undefined {
    return this.#held.get(cipher)?.key
  }

  /** The key that is here, if it is what comes of this secret: to find that out takes no derivation. */
  known(cipher: string, secret: Secret): FileKey | undefined {
    const held = this.#held.get(cipher)
    if (held?.secret === undefined) return undefined
    return timingSafeEqual(held.secret, markOf(cipher, secret)) ? held.key : undefined
  }

  #letGo(held: HeldKey): void {
    if (--held.holders > 0) return
    this.#onEnd(held.key.cipher)
    this.#held.delete(held.key.cipher)
    forget(held.key)
  }
}

interface HeldKey {
  readonly key: FileKey
  /** By this a secret is known again that the key came of. */
  secret: Buffer | undefined
  holders: number
}

const marking = randomBytes(32)

function markOf(cipher: string, secret: Secret): Buffer {
  const text = typeof secret === 'string' ? `passphrase ${secret}` : `raw ${secret.raw.toLowerCase()}`
  return createHmac('sha256', marking).update(`${cipher} ${text}`).digest()
}

interface Unlock {
  readonly letGo: () => void
  readonly timer: NodeJS.Timeout | undefined
  readonly endsAt: number | undefined
}

/** What somebody has unlocked. */
export interface Unlocked {
  has(cipher: string): boolean
}

/**
 * What one session has unlocked. A key opens what it is the key of: the tenant, and what forks and copies made of its
 * file, until that is encrypted anew.
 */
export class Keyring implements Unlocked {
  readonly #keys: Keys
  readonly #unlocks = new Map<string, Unlock>()

  constructor(keys: Keys) {
    this.#keys = keys
  }

  has(cipher: string): boolean {
    return this.#unlocks.has(cipher)
  }

  /** Unlock with a key that is in memory; one that was unlocked before is from now on as this says. */
  unlock({ cipher }: FileKey, { ttlMs }: { readonly ttlMs?: number } = {}): void {
    const letGo = this.#keys.keep(cipher)
    this.lock(cipher)
    const timer = ttlMs === undefined ? undefined : setTimeout(() => this.lock(cipher), ttlMs).unref()
    const endsAt = ttlMs === undefined ? undefined : performance.now() + ttlMs
    this.#unlocks.set(cipher, { letGo, timer, endsAt })
  }

  /** What had the one cipher has the key of another from now on; who had it unlocked has it still, and for as long. */
  replace(cipher: string, key: FileKey): void {
    const unlock = this.#unlocks.get(cipher)
    if (unlock === undefined) return
    const { endsAt } = unlock
    this.lock(cipher)
    this.unlock(key, endsAt === undefined ? {} : { ttlMs: Math.max(1, endsAt - performance.now()) })
  }

  lock(cipher: string): void {
    const unlock = this.#unlocks.get(cipher)
    if (unlock === undefined) return
    clearTimeout(unlock.timer)
    this.#unlocks.delete(cipher)
    unlock.letGo()
  }

  /** Lock everything. */
  close(): void {
    for (const cipher of [...this.#unlocks.keys()]) this.lock(cipher)
  }
}
