/** A point of a graph: it comes after all that it leads to, so children stand above their parents. */
export interface Point {
  readonly id: string
  readonly parents: readonly string[]
}

/** A line of a drawing. The lines between two points, in which lanes meet or part, have no id. */
export interface GraphLine {
  readonly id?: string
  readonly strokes: readonly Stroke[]
}

/** A character with the lane whose it is, for its colour. */
export interface Stroke {
  readonly text: string
  readonly lane: number
}

/** The characters of a drawing. */
export interface Pen {
  readonly point: string
  readonly merge: string
  readonly end: string
  readonly down: string
  readonly across: string
  readonly crossing: string
  /** Where a lane comes to this one from the right or the left. */
  readonly fromRight: string
  readonly fromLeft: string
  /** Where one of several lanes comes to the line that leads to another one. */
  readonly meeting: string
  /** Where a lane on the right or on the left bends upward or downward. */
  readonly upRight: string
  readonly upLeft: string
  readonly downRight: string
  readonly downLeft: string
  /** The drawing goes on below. */
  readonly more: string
  /** A text is cut here. */
  readonly ellipsis: string
}

export const unicodePen: Pen = {
  point: '●',
  merge: '◆',
  end: '○',
  down: '│',
  across: '─',
  crossing: '┼',
  fromRight: '├',
  fromLeft: '┤',
  meeting: '┴',
  upRight: '╯',
  upLeft: '╰',
  downRight: '╮',
  downLeft: '╭',
  more: '⋮',
  ellipsis: '…',
}

export const asciiPen: Pen = {
  point: '*',
  merge: 'M',
  end: 'o',
  down: '|',
  across: '-',
  crossing: '+',
  fromRight: '|',
  fromLeft: '|',
  meeting: "'",
  upRight: "'",
  upLeft: '`',
  downRight: '.',
  downLeft: '.',
  more: ':',
  ellipsis: '~',
}

/**
 * Draw a graph, a lane for each line of descent that is open:
 *
 *     ◆
 *     ├─╮   a merge opens a lane for its second parent
 *     │ ●
 *     ● │
 *     ├─╯   lanes that lead to one point meet above it
 *     ●
 */
export function draw(points: readonly Point[], pen: Pen): GraphLine[] {
  const lines: GraphLine[] = []
  /** The point that each lane leads to. */
  const lanes: (string | undefined)[] = []

  for (const { id, parents } of points) {
    const lane = lanes.includes(id) ? lanes.indexOf(id) : freeLane(lanes)
    const others = lanes.flatMap((to, at) => (to === id && at !== lane ? [at] : []))
    lanes[lane] = id
    if (others.length > 0) {
      lines.push({ strokes: bridge(lanes, lane, others, pen, pen.upRight, pen.upLeft) })
      for (const other of others) lanes[other] = undefined
      dropFreeEnd(lanes)
    }
    const [parent, merged] = parents
    const mark = parents.length === 0 ? pen.end : merged === undefined ? pen.point : pen.merge
    const strokes = lanes.map((to, at): Stroke => ({ text: at === lane ? mark : to ? pen.down : ' ', lane: at }))
    lanes[lane] = parent
    lines.push({ id, strokes: spaced(strokes) })
    if (merged !== undefined) {
      const known = lanes.indexOf(merged)
      const to = known < 0 ? freeLane(lanes) : known
      // Into a lane that is there already it joins from the side.
      const bend = known < 0 ? ([pen.downRight, pen.downLeft] as const) : ([pen.fromLeft, pen.fromRight] as const)
      lanes[to] = merged
      lines.push({ strokes: bridge(lanes, lane, [to], pen, ...bend) })
    }
    dropFreeEnd(lanes)
  }
  return lines
}

/** A line that goes across from a lane to others: those on its right bend one way, those on its left the other. */
function bridge(
  lanes: readonly (string | undefined)[],
  from: number,
  to: readonly number[],
  pen: Pen,
  bendRight: string,
  bendLeft: string,
): Stroke[] {
  const [first, last] = [Math.min(from, ...to), Math.max(from, ...to)]
  const cells = lanes.map((open, lane): Stroke => {
    if (lane === from)
      return { text: from === last ? pen.fromLeft : from === first ? pen.fromRight : pen.crossing, lane }
    const isBetween = lane > first && lane < last
    if (to.includes(lane)) return { text: isBetween ? pen.meeting : lane > from ? bendRight : bendLeft, lane }
    return { text: isBetween ? (open ? pen.crossing : pen.across) : open ? pen.down : ' ', lane }
  })
  return spaced(cells, ({ lane }) => (lane >= first && lane < last ? pen.across : ' '), to[0])
}

/** Two columns a lane. */
function spaced(cells: readonly Stroke[], between: (cell: Stroke) => string = () => ' ', lane?: number): Stroke[] {
  return cells.flatMap((cell) => [cell, { text: between(cell), lane: lane ?? cell.lane }])
}

function freeLane(lanes: readonly (string | undefined)[]): number {
  const free = lanes.indexOf(undefined)
  return free < 0 ? lanes.length : free
}

function dropFreeEnd(lanes: (string | undefined)[]): void {
  while (lanes.length > 0 && lanes.at(-1) === undefined) lanes.pop()
}
