/**
 * What SQLite's bytecode says a statement may do.
 *
 * NOTE: opcodes are no interface of SQLite; they may change with any release. `test/query/gate.test.ts` pins the
 * version. After an upgrade: read the diff of `vdbe.c` and of the places named here, then run the corpus again.
 */

/** One row of `explain`: addr, opcode, p1, p2, p3, p4, p5, comment. */
export type Instruction = readonly [
  addr: number,
  opcode: string,
  p1: number,
  p2: number,
  p3: number,
  p4: string | null,
  p5: number,
  comment: string | null,
]

/** Everything a program touches, still by root page and by pointer. */
export interface Reach {
  readonly opens: readonly Open[]
  readonly virtual: readonly VirtualOpen[]
  /** Names of the functions it may call, lower case. */
  readonly functions: readonly string[]
  /** A failure of it rolls back the whole transaction. */
  readonly mayRollBack: boolean
  /** It goes through rows, its own or a table's, one after the other. */
  readonly loops: boolean
  readonly made: Made
}

/** What the functions of a program make out of nothing. */
export interface Made {
  /** As far as constants tell. */
  readonly bytes: number
  /** Nothing but constants decides it, and no function repeats or fills what it is given. */
  readonly isAll: boolean
}

/** A b-tree, of a table or of an index, that is opened or emptied. */
export interface Open {
  readonly root: number
  /** 0 is the file itself, 1 the temporary database, then what is attached. */
  readonly database: number
  readonly access: 'read' | 'write'
  /** Opened by SQLite's own code to find or keep an AUTOINCREMENT number, if it is `sqlite_sequence`. */
  readonly isSequenceUpkeep: boolean
}

export interface VirtualOpen {
  readonly pointer: string
  readonly access: 'read' | 'write'
}

/** An instruction that no allowed statement has. */
export interface Forbidden {
  readonly opcode: string
  readonly rule: string
}

/** Follow a program, with the programs of its triggers and foreign keys, which `explain` lists behind it. */
export function reachOf(program: readonly Instruction[]): Reach | Forbidden {
  const opens: Open[] = []
  const virtual: VirtualOpen[] = []
  const functions = new Set<string>()
  let mayRollBack = false
  let loops = false

  for (let i = 0; i < program.length; i++) {
    const [, opcode, p1, p2, p3, p4, p5] = program[i] as Instruction
    if (loopOpcodes.has(opcode)) loops = true
    if (!allowedOpcodes.has(opcode)) return { opcode, rule: ruleOfOpcode[opcode] ?? 'opcode' }
    switch (opcode) {
      case 'OpenRead':
      case 'ReopenIdx':
      case 'OpenWrite': {
        // the root page would stand in a register, so nobody could tell the table: only DDL does this
        if ((p5 & rootIsInRegister) !== 0) return { opcode, rule: 'ddl' }
        const access = opcode === 'OpenWrite' ? 'write' : 'read'
        opens.push({ root: p2, database: p3, access, isSequenceUpkeep: isSequenceUpkeep(program, i) })
        break
      }
      case 'Clear': // `delete from t` empties the tree without opening it
        opens.push({ root: p1, database: p2, access: 'write', isSequenceUpkeep: false })
        break
      case 'VOpen':
        virtual.push({ pointer: String(p4), access: 'read' })
        break
      case 'VUpdate':
      case 'VBegin':
        virtual.push({ pointer: String(p4), access: 'write' })
        if (opcode === 'VUpdate' && p5 === onErrorRollback) mayRollBack = true
        break
      case 'Function':
      case 'PureFunc':
      case 'AggStep':
      case 'AggStep1':
      case 'AggInverse':
      case 'AggValue':
      case 'AggFinal':
        functions.add(functionName(p4))
        break
      case 'Halt':
      case 'HaltIfNull':
        if (p1 !== 0 && p2 === onErrorRollback) mayRollBack = true
        break
      case 'Transaction':
        if (p1 !== 0)
          opens.push({ root: 0, database: p1, access: p2 === 0 ? 'read' : 'write', isSequenceUpkeep: false })
        break
    }
  }
  const made = madeBy(program, functions)
  return { opens, virtual, functions: [...functions], mayRollBack, loops, made }
}

/** Whatever goes back for another row does so with one of these. */
const loopOpcodes: ReadonlySet<string> = new Set([
  'Next',
  'Prev',
  'VNext',
  'Count',
  'Clear',
  'SorterNext',
  'RowSetRead',
  'Rewind',
  'Last',
  'Sort',
  'SorterSort',
  'VFilter',
  'Yield',
])

function madeBy(program: readonly Instruction[], functions: ReadonlySet<string>): Made {
  let bytes = 0
  let isAll = true
  if (![...functions].some((name) => making.has(name) || repeating.has(name))) return { bytes, isAll }
  let constants = new Map<number, Constant>()
  for (const [at, [addr, opcode, p1, p2, , p4]] of program.entries()) {
    if (addr === 0) constants = constantsFrom(program, at)
    const name = callOpcodes.has(opcode) ? functionName(p4) : ''
    const constant = (argument: number) => ((p1 >>> argument) & 1 ? constants.get(p2 + argument) : undefined)
    if (making.has(name)) {
      const asked = constant(0)
      if (typeof asked === 'number') bytes += asked
      else isAll = false
    } else if (repeating.has(name)) {
      const isBounded = opcode === 'AggStep' ? isShort(separatorOf(program, at)) : repeating.get(name)?.(constant)
      if (!isBounded) isAll = false
    }
  }
  return { bytes, isAll }
}

type Constant = number | string

/**
 * What a program, or that of a trigger, keeps in registers. The opcode of a function says which of its arguments are
 * constant; their registers have no other use.
 */
function constantsFrom(program: readonly Instruction[], start: number): Map<number, Constant> {
  const constants = new Map<number, Constant>()
  for (let i = start; i < program.length; i++) {
    const [addr, opcode, p1, p2, , p4] = program[i] as Instruction
    if (addr === 0 && i > start) break
    if (opcode === 'Integer') constants.set(p2, p1)
    if (opcode === 'Int64' || opcode === 'Real') constants.set(p2, Number(p4))
    if (opcode === 'String8') constants.set(p2, String(p4))
  }
  return constants
}

/** What stands between the values that are put together, where it is written in the statement. */
function separatorOf(program: readonly Instruction[], step: number): Constant | undefined {
  const [, , , firstArgument, , p4] = program[step] as Instruction
  if (String(p4).endsWith('(1)')) return ','
  const [, opcode, , register, , text] = program[step - 1] as Instruction
  return opcode === 'String8' && register === firstArgument + 1 ? String(text) : undefined
}

const callOpcodes = new Set(['Function', 'PureFunc', 'AggStep'])

/** Functions that make as many bytes as they are asked for. */
const making: ReadonlySet<string> = new Set(['randomblob', 'zeroblob'])

/**
 * Functions whose result may be many times as long as what they are given, and when it is not: with constants of a
 * dozen characters it is a dozen times as long at most.
 */
const repeating: ReadonlyMap<string, (constant: (argument: number) => Constant | undefined) => boolean> = new Map([
  ...['printf', 'format'].map((name) => [name, (constant: ConstantOf) => isNarrow(constant(0))] as const),
  ['replace', (constant) => isShort(constant(1)) && isShort(constant(2))],
  ['highlight', (constant) => isShort(constant(2)) && isShort(constant(3))],
  ['snippet', (constant) => [1, 2, 3].every((argument) => isShort(constant(argument)))],
  ['concat_ws', (constant) => isShort(constant(0))],
  ['json_pretty', () => false],
  ['group_concat', () => false],
  ['string_agg', () => false],
])

type ConstantOf = (argument: number) => Constant | undefined

function isShort(constant: Constant | undefined): boolean {
  return typeof constant === 'number' || (constant !== undefined && constant.length <= 16)
}

/** A format whose widths are written in it, and are small. */
function isNarrow(format: Constant | undefined): boolean {
  return typeof format === 'string' && !/\*|\d{4}/.test(format)
}

const rootIsInRegister = 0x10 // OPFLAG_P2ISREG
const onErrorRollback = 1 // OE_Rollback

/** `name(2)` → `name`. An unreadable one keeps its text, which no list knows. */
function functionName(p4: string | null): string {
  return String(p4)
    .replace(/\(-?\d+\)$/, '')
    .toLowerCase()
}

/**
 * Is this the code by which an INSERT finds or stores the next AUTOINCREMENT number? SQLite copies it from a fixed
 * list (`sqlite3AutoincrementBegin`, `autoIncrementEnd` in insert.c); a statement that names `sqlite_sequence` cannot be
 * compiled to it, as it has no way to ask for `AddImm` or for `NotNull` in these places.
 */
function isSequenceUpkeep(program: readonly Instruction[], at: number): boolean {
  const list = program[at]?.[1] === 'OpenRead' ? sequenceRead : sequenceWrite
  const start = at - list.indexOf(program[at]?.[1] ?? '')
  return list.every((opcode, i) => {
    const instruction = program[start + i]
    if (instruction?.[1] !== opcode) return false
    return !cursorOpcodes.has(opcode) || instruction[2] === 0
  })
}

const sequenceRead = 'OpenRead String8 Null Rewind Column Ne Rowid Column AddImm Copy Goto Next Integer Close'.split(
  ' ',
)
const sequenceWrite = 'Le OpenWrite NotNull NewRowid MakeRecord Insert Close'.split(' ')
/** Of those, the ones whose p1 is a cursor: upkeep always uses cursor 0. */
const cursorOpcodes = new Set('OpenRead OpenWrite Rewind Column Rowid Next NewRowid Insert Close'.split(' '))

/** Instructions of queries and of changes to rows. What is not here is refused, also what a later SQLite may add. */
export const allowedOpcodes: ReadonlySet<string> = new Set(
  [
    // flow
    'Init Goto Gosub Return InitCoroutine EndCoroutine Yield BeginSubrtn Jump Once If IfNot IfPos IfNotZero DecrJumpZero',
    'IfNullRow IfNotOpen IfNoHope IfSizeBetween IfEmpty ElseEq IsType Halt HaltIfNull Program Param Noop Trace Explain',
    'Abortable ReleaseReg Transaction',
    // values
    'Integer Int64 Real String String8 Null SoftNull Blob Variable Move Copy SCopy IntCopy Cast Affinity RealAffinity',
    'Not BitNot Or And IsNull NotNull Ne Eq Gt Le Lt Ge BitAnd BitOr ShiftLeft ShiftRight Add Subtract Multiply Divide',
    'Remainder Concat AddImm MustBeInt IsTrue ZeroOrNull Compare Permutation CollSeq Function PureFunc ClrSubtype',
    'GetSubtype SetSubtype AggStep AggStep1 AggInverse AggValue AggFinal MemMax OffsetLimit Offset',
    // cursors
    'OpenRead OpenWrite ReopenIdx OpenDup OpenAutoindex OpenEphemeral OpenPseudo SorterOpen Close ColumnsUsed CursorHint',
    'CursorLock CursorUnlock SeekLT SeekLE SeekGE SeekGT SeekScan SeekHit SeekRowid SeekEnd NoConflict NotFound Found',
    'NotExists Last Rewind Prev Next SorterSort Sort SorterNext SorterCompare SorterData IdxLE IdxGT IdxLT IdxGE IFindKey',
    'Column RowData RowCell Rowid IdxRowid NullRow DeferredSeek FinishSeek Count Sequence SequenceTest ResultRow Filter',
    'FilterAdd RowSetRead RowSetTest RowSetAdd ResetSorter',
    // rows written
    'NewRowid Insert Delete IdxInsert IdxDelete SorterInsert MakeRecord TypeCheck Clear ResetCount FkCheck FkCounter',
    'FkIfZero',
    // virtual tables
    'VBegin VOpen VFilter VInitIn VColumn VNext VUpdate',
  ]
    .join(' ')
    .split(' '),
)

/** The rule that a forbidden instruction is refused under; any other falls under `opcode`. */
const ruleOfOpcode: Readonly<Record<string, string>> = {
  AutoCommit: 'transactionControl',
  Savepoint: 'transactionControl',
  Vacuum: 'vacuum',
  IncrVacuum: 'pragma',
  Checkpoint: 'pragma',
  JournalMode: 'pragma',
  Pagecount: 'pragma',
  MaxPgcnt: 'pragma',
  IntegrityCk: 'pragma',
  VCheck: 'pragma',
  ReadCookie: 'ddl',
  SetCookie: 'ddl',
  CreateBtree: 'ddl',
  Destroy: 'ddl',
  SqlExec: 'ddl',
  ParseSchema: 'ddl',
  LoadAnalysis: 'ddl',
  DropTable: 'ddl',
  DropIndex: 'ddl',
  DropTrigger: 'ddl',
  VCreate: 'ddl',
  VDestroy: 'ddl',
  VRename: 'ddl',
  Expire: 'attach',
}
