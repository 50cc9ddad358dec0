import { asciiPen, unicodePen } from '../branch-graph/draw.ts'
import { graphOf, graphText, wantsAscii } from '../branch-graph/graph.ts'
import { fetchHistory } from '../branch-graph/walk.ts'
import { command } from '../command.ts'
import { limitOption } from '../limit.ts'

const drawnChangeSets = 30

export const graph = command(
  'graph',
  'Draw the branches of a database: forks, merges, and who is how far ahead',
  (parser) =>
    limitOption(parser, `draw so many change sets; default: ${drawnChangeSets}`).option('ascii', {
      type: 'boolean',
      default: false,
      describe: 'draw with ASCII alone, as where the locale is not UTF-8',
    }),
  async (context, { limit = drawnChangeSets, ascii }) => {
    const { output } = context
    const { style, width = Number.POSITIVE_INFINITY } = output
    const pen = ascii || wantsAscii() ? asciiPen : unicodePen
    const graph = graphOf(await fetchHistory(context), (await context.scope()).branch)
    output.result(graph, () => output.line(graphText(graph, { width, limit, pen, style })))
  },
)
