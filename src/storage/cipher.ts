import { createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type Database from 'better-sqlite3'
import { Lock } from '../base/lock.ts'

/** What a client gives: a passphrase, or the key itself: 64 hex digits. */
export type Secret = string | { readonly raw: string }

/**
 * How a file is encrypted: all that is written down of it. The format is that of SQLCipher 4, page by page with a code
 * that proves each page, so that other tools open the file with the same passphrase or key.
 */
export interface Cipher {
  readonly format: 'sqlcipher-4'
  /** How a passphrase becomes the key. A key that is given raw is used as it is. */
  readonly kdf: 'pbkdf2-hmac-sha512'
  readonly iterations: number
  /** The first 16 bytes of the file, as hex. */
  readonly salt: string
  /**
   * Tells the right key from a wrong one where there is no file yet, and a wrong key from a broken file where there is
   * one. To guess a passphrase by it takes as long as by the file beside it.
   */
  readonly check: string
}

/** The key of a file, in memory for as long as somebody may use it. */
export interface FileKey {
  /** The `Cipher` that it belongs to, as JSON: what the catalog keeps. */
  readonly cipher: string
  /** As SQLite takes it: with this text no key has to be derived. Zeros once nobody may use it any more. */
  readonly text: Uint8Array
}

const iterations = 256_000
const keyBytes = 32
const saltBytes = 16

/** A key for a new file. Derived on another thread from a passphrase, which takes some tenths of a second. */
export async function newKey(secret: Secret): Promise<FileKey> {
  return keyWithSalt(secret, randomBytes(saltBytes))
}

/** The same for a file that another program made: of SQLCipher's fourth format, as far as one can tell. */
export async function keyWithSalt(secret: Secret, salt: Buffer): Promise<FileKey> {
  const key = await derive(secret, salt, iterations)
  const cipher: Cipher = {
    format: 'sqlcipher-4',
    kdf: 'pbkdf2-hmac-sha512',
    iterations,
    salt: salt.toString('hex'),
    check: checkOf(key, salt).toString('hex'),
  }
  return { cipher: JSON.stringify(cipher), text: textOf(key, salt) }
}

/** The key of a file that is there, or will be; undefined where the secret is a wrong one. */
export async function keyOf(secret: Secret, cipher: string): Promise<FileKey | undefined> {
  const { salt: hex, check, iterations } = JSON.parse(cipher) as Cipher
  const salt = Buffer.from(hex, 'hex')
  const key = await derive(secret, salt, iterations)
  const isRight = timingSafeEqual(checkOf(key, salt), Buffer.from(check, 'hex'))
  if (isRight) return { cipher, text: textOf(key, salt) }
  key.fill(0)
  return undefined
}

/** Whether a file starts as one does that is encrypted so; with null, as one that is not encrypted. */
export function startsAs(cipher: string | null, start: Buffer): boolean {
  return cipher === null ? start.equals(magic) : start.toString('hex') === (JSON.parse(cipher) as Cipher).salt
}

/** How every SQLite file starts that is not encrypted. */
export const magic = Buffer.from('SQLite format 3\0', 'latin1')

/** Have a connection that was just opened read and write an encrypted file. A wrong key shows with its first use. */
export function applyKey(db: Database.Database, { text }: Pick<FileKey, 'text'>): void {
  useFormat(db)
  db.key(Buffer.from(text.buffer, text.byteOffset, text.byteLength))
}

/** What files are encrypted as that this connection opens or attaches with a key. */
export function useFormat(db: Database.Database): void {
  for (const [name, value] of formatPragmas) db.pragma(`${name} = ${value}`)
}

/** The format of SQLCipher 4; to be set before the key is. */
export const formatPragmas = [
  ['cipher', `'sqlcipher'`],
  ['legacy', '4'],
] as const

/** Nobody may use a key any more. */
export function forget({ text }: FileKey): void {
  text.fill(0)
}

// A derivation keeps one of few threads, which files are read and synced by, too.
const lanes = [new Lock(), new Lock()] as const
let lastLane = 0

async function derive(secret: Secret, salt: Buffer, iterations: number): Promise<Buffer> {
  if (typeof secret !== 'string') return Buffer.from(secret.raw, 'hex')
  lastLane = 1 - lastLane
  return (lanes[lastLane] as Lock).run(() => promisify(pbkdf2)(secret, salt, iterations, keyBytes, 'sha512'))
}

function checkOf(key: Buffer, salt: Buffer): Buffer {
  return createHmac('sha256', key).update('cinch key check').update(salt).digest()
}

/** SQLite's text for a key that needs no derivation, its salt with it. */
function textOf(key: Buffer, salt: Buffer): Buffer {
  const text = Buffer.alloc('raw:'.length + 2 * (keyBytes + saltBytes))
  text.write('raw:', 'latin1')
  text.write(key.toString('hex'), 4, 'latin1')
  text.write(salt.toString('hex'), 4 + 2 * keyBytes, 'latin1')
  key.fill(0)
  return text
}
