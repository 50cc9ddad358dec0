import fs from 'node:fs'
import os from 'node:os'
import { spread } from './rounds.mjs'

/** Collects what the workloads measure; prints it as Markdown, and gives it as JSON. */
export class Report {
  #sections = []
  #notes = []

  section(title) {
    this.#sections.push({ title, lines: [] })
    console.error(`# ${title}`)
  }

  note(text) {
    this.#notes.push(text)
    console.error(`! ${text}`)
  }

  /**
   * What cinch does and what its peers do, round by round.
   *
   * @param {{ what: string, unit: string, better?: 'higher' | 'lower', cinch: number[],
   *   peers?: { name: string, values: number[] | undefined, target?: number }[],
   *   target?: { atLeast?: number, atMost?: number } }} measured
   *   a peer's target is the least ratio; the ratio is of speeds: above 1 cinch is the faster one, whatever the unit
   */
  add({ what, unit, better = 'higher', cinch, peers = [], target }) {
    const own = spread(cinch)
    const line = { what, unit, better, cinch: own, target, met: meets(own.median, target), peers: [] }
    for (const { name, values, target: least } of peers) {
      if (values === undefined) {
        line.peers.push({ name, target: least, skipped: true })
        continue
      }
      const ratio = spread(cinch.map((own, round) => (better === 'higher' ? own / values[round] : values[round] / own)))
      const met = least === undefined ? undefined : ratio.median >= least
      line.peers.push({ name, ...spread(values), ratio, target: least, met })
    }
    this.#sections.at(-1).lines.push(line)
    console.error(textOf(line).join('\n'))
  }

  toJSON(settings) {
    return { machine: machine(), ...settings, sections: this.#sections, notes: this.#notes }
  }

  markdown({ postgres, rounds, quick, oneCore }) {
    const { cpu, cores, memory, node, system } = machine()
    const versions = `Node ${node}, PostgreSQL ${postgres ?? 'absent: its lines are skipped'}`
    const text = [
      `${cpu}, ${cores} cores, ${memory}, ${system}; ${versions}.`,
      `Median (least–greatest) of ${rounds} interleaved rounds${quick ? ', quick: too short to rely on' : ''}${oneCore ? ', everything on one core' : ''}. A ratio is cinch’s speed over the peer’s, pair by pair.`,
    ]
    for (const { title, lines } of this.#sections) {
      text.push('', `## ${title}`, '', '| | figure | cinch ÷ it | target | |', '|---|---|---|---|---|')
      for (const line of lines) text.push(...textOf(line))
    }
    if (this.#notes.length > 0) text.push('', ...this.#notes.map((note) => `- ${note}`))
    return text.join('\n')
  }

  save(file, settings) {
    fs.writeFileSync(file, `${JSON.stringify(this.toJSON(settings), null, 2)}\n`)
  }
}

function textOf({ what, unit, cinch, target, met, peers }) {
  const goal = target && (target.atMost === undefined ? `≥ ${shown(target.atLeast)}` : `≤ ${shown(target.atMost)}`)
  return [
    `| **${what}**, ${unit} | **${range(cinch)}** | | ${goal ?? ''} | ${mark(met)} |`,
    ...peers.map(({ name, skipped, target, met, ratio, ...values }) =>
      skipped
        ? `| – ${name} | skipped | | ${target === undefined ? '' : `≥ ${target}×`} | – |`
        : `| – ${name} | ${range(values)} | ${range(ratio)}× | ${target === undefined ? '' : `≥ ${target}×`} | ${mark(met)} |`,
    ),
  ]
}

function range({ median, min, max }) {
  return `${shown(median)} (${shown(min)}–${shown(max)})`
}

function shown(value) {
  if (value >= 1000) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(value >= 100 ? 3 : value < 10 ? 3 : 3)))
}

function mark(met) {
  return met === undefined ? '' : met ? 'met' : '**missed**'
}

function meets(value, target) {
  if (target === undefined) return undefined
  return target.atMost === undefined ? value >= target.atLeast : value <= target.atMost
}

function machine() {
  const cpus = os.cpus()
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown processor',
    cores: cpus.length,
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    system: `${os.type()} ${os.release()}`,
    node: process.versions.node,
  }
}
