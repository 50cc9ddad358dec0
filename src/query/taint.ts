import { allowedOpcodes, type Instruction } from './opcodes.ts'

/** Where the values are that are followed: columns of tables, as they lie in the file, by the table's root page. */
export type Source = ReadonlyMap<number, readonly number[]>

/** What becomes of a column's values in a program that reads. */
export type Fate =
  | { readonly kind: 'shown'; readonly at: readonly number[] }
  | { readonly kind: 'used'; readonly opcode: string }

/**
 * Follow the values of a column through SQLite's program, from where they are read to the rows that it returns. They may
 * be copied, put into records, kept in sorters and ephemeral tables, and be returned: `shown` tells in which columns.
 * Whatever else is done with one, in a comparison, a function or a key, and be it that nobody knows, is `used`.
 *
 * Each instruction has what every way to it may have left in the registers, so it is an over-estimate: there may be
 * values told of that are none, but none is missed. Registers hold a set of bits: bit 0 for a value, bit n + 1 for a
 * record whose column n is one.
 *
 * NOTE: this leans on what each opcode of the bundled SQLite reads, writes and where it jumps. One without an entry in
 * `effects` counts as one that uses everything; see `opcodes.ts` for what to do when SQLite moves.
 */
export function fateOf(program: readonly Instruction[], source: Source): Fate {
  try {
    const analysis = new Analysis(program, source)
    analysis.run()
    return { kind: 'shown', at: [...analysis.shown] }
  } catch (error) {
    if (error instanceof Used) return { kind: 'used', opcode: error.opcode }
    throw error
  }
}

/** A value was used by this instruction. */
class Used extends Error {
  readonly opcode: string

  constructor(opcode: string) {
    super(opcode)
    this.opcode = opcode
  }
}

type Registers = Map<number, bigint>

const value = 1n

/** Where a column of a record stands among the bits. */
function bitOf(column: number): bigint {
  return 1n << BigInt(column + 1)
}

class Analysis {
  readonly shown = new Set<number>()
  readonly #program: readonly Instruction[]
  /** Columns of cursors on tables of the file, by cursor. */
  readonly #columns = new Map<number, bigint>()
  /** How many columns of a sorter's or ephemeral index's records are compared. */
  readonly #keys = new Map<number, number>()
  /** The register that a pseudo-cursor reads its row from. */
  readonly #pseudo = new Map<number, number>()
  /** A duplicate reads the rows of the cursor that it was made from. */
  readonly #originals = new Map<number, number>()
  readonly #before: (Registers | undefined)[] = []
  #isChanged = false

  constructor(program: readonly Instruction[], source: Source) {
    this.#program = program
    for (const [at, [addr, opcode, p1, p2, , p4]] of program.entries()) {
      // programs of triggers are listed behind the statement's; those that read have none
      if (addr !== at) throw new Used(opcode)
      if (opcode === 'OpenRead' || opcode === 'ReopenIdx') {
        for (const position of source.get(p2) ?? []) this.#addColumns(p1, bitOf(position))
      } else if (opcode === 'OpenDup') this.#originals.set(p1, p2)
      else if (opcode === 'OpenPseudo') this.#pseudo.set(p1, p2)
      else if (opensKeyed.has(opcode)) {
        // `k(2,B,)`: two columns and how they compare
        const keys = /^k\((\d+)/.exec(String(p4 ?? ''))?.[1]
        this.#keys.set(p1, Math.max(this.#keys.get(p1) ?? 0, Number(keys ?? 0)))
      }
    }
  }

  /** Until nothing more is found. */
  run(): void {
    do {
      this.#isChanged = false
      this.#before.length = 0
      this.#before[0] = new Map()
      const due = [0]
      for (let at = due.pop(); at !== undefined; at = due.pop()) {
        const after = this.#step(at)
        for (const next of this.#successors(at)) if (this.#join(next, after)) due.push(next)
      }
    } while (this.#isChanged)
  }

  /** Whether this way to an instruction brings anything new. */
  #join(at: number, registers: Registers): boolean {
    const known = this.#before[at]
    if (known === undefined) {
      this.#before[at] = new Map(registers)
      return at < this.#program.length
    }
    let isNew = false
    for (const [register, bits] of registers) {
      const joined = (known.get(register) ?? 0n) | bits
      if (joined === known.get(register)) continue
      known.set(register, joined)
      isNew = true
    }
    return isNew
  }

  #step(at: number): Registers {
    const registers: Registers = new Map(this.#before[at])
    const instruction = this.#program[at] as Instruction
    const [, opcode, p1, p2, p3] = instruction
    const get = (register: number) => registers.get(register) ?? 0n
    const set = (register: number, bits: bigint) => {
      if (bits === 0n) registers.delete(register)
      else registers.set(register, bits)
    }
    switch (opcode) {
      case 'Column':
        set(p3, (this.#columnsOf(p1, registers) & bitOf(p2)) === 0n ? 0n : value)
        break
      case 'Copy':
      case 'Move': {
        const count = opcode === 'Copy' ? p3 + 1 : p3
        const bits = Array.from({ length: count }, (_, i) => get(p1 + i))
        for (let i = 0; i < count; i++) set(p2 + i, bits[i] as bigint)
        break
      }
      case 'SCopy':
        set(p2, get(p1))
        break
      case 'MakeRecord': {
        let record = 0n
        for (let i = 0; i < p2; i++) if (get(p1 + i) !== 0n) record |= bitOf(i)
        set(p3, record)
        break
      }
      case 'Insert':
      case 'IdxInsert':
      case 'SorterInsert': {
        const record = get(p2)
        const keys = opcode === 'Insert' ? 0 : (this.#keys.get(p1) ?? 0)
        const compared = (1n << BigInt(keys + 1)) - 1n
        if ((record & compared) !== 0n || (opcode === 'Insert' && get(p3) !== 0n)) throw new Used(opcode)
        this.#addColumns(p1, record)
        break
      }
      case 'SorterData':
      case 'RowData':
        set(p2, this.#columnsOf(p1, registers))
        break
      case 'IsType': {
        const found = p1 >= 0 ? this.#columnsOf(p1, registers) & bitOf(p3) : get(p3)
        if (found !== 0n) throw new Used(opcode)
        break
      }
      case 'ResultRow':
        for (let i = 0; i < p2; i++) if (get(p1 + i) !== 0n) this.shown.add(i)
        break
      default: {
        const effect = effects.get(opcode)
        if (effect === undefined || !allowedOpcodes.has(opcode)) throw new Used(opcode)
        for (const [from, count] of effect.reads(instruction)) {
          for (let i = 0; i < count; i++) if (get(from + i) !== 0n) throw new Used(opcode)
        }
        for (const register of effect.writes(instruction)) set(register, 0n)
      }
    }
    return registers
  }

  #columnsOf(cursor: number, registers: Registers): bigint {
    const pseudo = this.#pseudo.get(cursor)
    const own = this.#columns.get(this.#original(cursor)) ?? 0n
    return pseudo === undefined ? own : own | (registers.get(pseudo) ?? 0n)
  }

  #addColumns(cursor: number, bits: bigint): void {
    const original = this.#original(cursor)
    const known = this.#columns.get(original) ?? 0n
    if ((known | bits) === known) return
    this.#columns.set(original, known | bits)
    this.#isChanged = true
  }

  #original(cursor: number): number {
    let original = cursor
    for (let i = 0; i < this.#originals.size; i++) original = this.#originals.get(original) ?? original
    return original
  }

  #successors(at: number): number[] {
    const [, opcode, p1, p2, p3] = this.#program[at] as Instruction
    switch (opcode) {
      case 'Halt':
        return []
      case 'Goto':
      case 'Gosub':
        return [p2]
      case 'InitCoroutine':
        return [p2 === 0 ? at + 1 : p2]
      case 'Jump':
        return [p1, p2, p3]
      case 'Return':
        return [at + 1, ...this.#behind('Gosub', p1)]
      case 'EndCoroutine':
        return this.#all('Yield', p1).map((yielded) => (this.#program[yielded] as Instruction)[3])
      case 'Yield': {
        const entries = this.#all('InitCoroutine', p1).map((start) => (this.#program[start] as Instruction)[4])
        return [p2, at + 1, ...entries, ...this.#behind('Yield', p1)]
      }
      default: {
        const jumps = effects.get(opcode)?.jumps ?? true
        return jumps && p2 > 0 && p2 < this.#program.length ? [at + 1, p2] : [at + 1]
      }
    }
  }

  #behind(opcode: string, register: number): number[] {
    return this.#all(opcode, register).map((at) => at + 1)
  }

  #all(opcode: string, register: number): number[] {
    const found: number[] = []
    this.#program.forEach(([, other, p1], at) => {
      if (other === opcode && p1 === register) found.push(at)
    })
    return found
  }
}

const opensKeyed: ReadonlySet<string> = new Set(['SorterOpen', 'OpenEphemeral', 'OpenAutoindex'])

type Range = readonly [from: number, count: number]

/** What an instruction does to registers, other than to move what is in them. */
interface Effect {
  readonly jumps: boolean
  reads(instruction: Instruction): readonly Range[]
  writes(instruction: Instruction): readonly number[]
}

/** More arguments than this no function takes. */
const maxArguments = 127

/**
 * A line for each kind: the registers that are read, and those that are written; `p3+p4` begins at p3 and has as many as p4
 * says. Behind `|` stand the opcodes, those that jump to p2 with a `*`.
 */
const effects: ReadonlyMap<string, Effect> = new Map(
  [
    '- - | Init* Once* BeginSubrtn IfNotOpen* IfNullRow* IfSizeBetween* IfEmpty* ElseEq* Gosub InitCoroutine Yield Return',
    '- - | EndCoroutine Goto Jump Halt Noop Trace Explain Abortable ReleaseReg Transaction Permutation CollSeq',
    '- - | Affinity RealAffinity ClrSubtype',
    '- - | OpenRead ReopenIdx OpenDup OpenAutoindex OpenEphemeral OpenPseudo SorterOpen Close ColumnsUsed CursorHint',
    '- - | CursorLock CursorUnlock SeekScan* SeekHit Last* Rewind* Prev* Next* SorterSort* Sort* SorterNext*',
    '- - | NullRow DeferredSeek FinishSeek SequenceTest* ResetSorter SorterCompare* VOpen VNext* Delete',
    '- p2 | Integer Int64 Real String String8 Blob Variable Rowid IdxRowid Count Sequence NewRowid',
    '- p2..p3 | Null',
    '- p1 | SoftNull',
    '- p3 | VColumn RowSetRead* Offset AggValue',
    'p1 - | If* IfNot* IfPos* IfNotZero* DecrJumpZero* IsNull* NotNull* AddImm MustBeInt* Cast AggFinal',
    'p1 p2 | Not BitNot IsTrue IntCopy GetSubtype SetSubtype',
    'p1,p2 p3 | And Or BitAnd BitOr ShiftLeft ShiftRight Add Subtract Multiply Divide Remainder Concat',
    'p1,p2 - | MemMax',
    'p1,p3 - | Ne* Eq* Gt* Le* Lt* Ge*',
    'p1,p3 p2 | ZeroOrNull OffsetLimit',
    'p1+p3,p2+p3 - | Compare',
    'p2+args p3 | Function PureFunc',
    'p2+p5,p3 - | AggStep AggStep1 AggInverse',
    'p3 - | HaltIfNull SeekRowid* NotExists* RowSetTest*',
    'p2 - | RowSetAdd',
    'p3+p4 - | SeekLT* SeekLE* SeekGE* SeekGT* Found* NotFound* NoConflict* IfNoHope* IdxLE* IdxGT* IdxLT* IdxGE* Filter* FilterAdd',
    'p2+p3 - | IdxDelete',
    'p3+args - | VFilter*',
  ].flatMap((line) => {
    const [registers = '', opcodes = ''] = line.split(' | ')
    const [reads = '-', writes = '-'] = registers.split(' ')
    return opcodes.split(' ').map((name): [string, Effect] => {
      return [name.replace('*', ''), { jumps: name.endsWith('*'), reads: rangesOf(reads), writes: registersOf(writes) }]
    })
  }),
)

function rangesOf(text: string): Effect['reads'] {
  if (text === '-') return () => []
  const ranges = text.split(',').map((range) => range.split('+') as [string, string?])
  return (instruction) =>
    ranges.map(([from, count]) => [operand(instruction, from), count === undefined ? 1 : counted(instruction, count)])
}

function registersOf(text: string): Effect['writes'] {
  if (text === '-') return () => []
  const [first = '', last = first] = text.split('..')
  return (instruction) => {
    const from = operand(instruction, first)
    return Array.from({ length: Math.max(1, operand(instruction, last) - from + 1) }, (_, i) => from + i)
  }
}

function operand(instruction: Instruction, name: string): number {
  return Number(instruction[Number(name[1]) + 1])
}

function counted(instruction: Instruction, name: string): number {
  // `name(2)`, and `name(-1)` where it takes any number of arguments
  if (name === 'args') {
    const told = Number(/\((-?\d+)\)$/.exec(String(instruction[5]))?.[1] ?? -1)
    return told < 0 ? maxArguments : told
  }
  const count = operand(instruction, name)
  if (name === 'p5') return count
  return Number.isInteger(count) && count > 0 ? count : 1
}
