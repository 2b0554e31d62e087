import type { ShareLine } from '../../core/fair-shares.ts'
import { parseId, type PlanId } from '../../core/ids.ts'
import type { OperatorUseCases } from '../../core/operators.ts'
import type { Plan, PlanUnderWay, PlannedMove, PlanView } from '../../core/plan.ts'
import { moveWire, planProgressWire } from '../../http/admin/admin-wire.ts'
import { tableOf } from '../display.ts'
import { stateIn } from '../paint.ts'
import { bytes, json, progressWords } from '../print.ts'
import type { Column } from '../table.ts'
import { WrongUse, type Io } from '../verb.ts'

/** Longer plans are easier to judge by their sums. */
const shownMoves = 100

/** Parses the id of a plan; throws `WrongUse` when it is not one. */
export function planIdOf(text: string): PlanId {
  try {
    return parseId('pln', text)
  } catch {
    throw new WrongUse(`${text} is not the id of a plan, such as pln_01h455vb4pex5vsknk084sn02q`)
  }
}

/**
 * `applying, 12 of 340 moves done, 64 moving, 261 waiting, 3 skipped, 1.2 GiB of 33 GiB; waits: maintenance is on (…)`. The four counts
 * add up to the moves; the bytes of skipped moves are left out.
 */
export function progressOf({ plan, waits }: PlanView): string {
  const { state, moves, done, moving, skipped } = plan
  const waiting = moves - done - moving - skipped
  const isBegun = state === 'applying' || state === 'paused'
  const words = [
    state,
    `${done} of ${moves} moves done`,
    moving === 0 ? '' : `${moving} moving`,
    waiting === 0 || !isBegun ? '' : `${waiting} waiting`,
    skipped === 0 ? '' : `${skipped} skipped`,
    state === 'planned' ? bytes(bytesOf(plan)) : `${bytes(bytesMoved(plan))} of ${bytes(bytesOf(plan))}`,
  ]
  return progressWords(words, waits)
}

/** The bytes of all moves but the skipped ones. */
export function bytesOf({ bytes: all, bytesSkipped }: Plan): number {
  return all - bytesSkipped
}

/** The bytes of finished moves, and the bytes that have arrived of moves under way. */
export function bytesMoved({ bytesDone, bytesArrived }: PlanUnderWay): number {
  return bytesDone + bytesArrived
}

/** The progress of a plan, and the share of each node. */
export function planHead(view: PlanView, io: Io): string {
  return `${view.plan.id}  ${stateIn(io.paint, progressOf(view))}\n${sharesOf(view.plan.summary, io)}`
}

/** A plan and its moves as tables: the first hundred moves, or `all`. Each page is written as soon as it is read. */
export async function planInFull(use: OperatorUseCases, id: PlanId, all: boolean, io: Io): Promise<void> {
  const view = await use.plan(id)
  const { moves } = view.plan
  const names = await namesOf(use)
  io.out(planHead(view, io))
  const notes = new Set<string>()
  let shown = 0
  for await (const page of all ? use.allMoves(id) : [await use.moves(id, 0, shownMoves)]) {
    shown += page.length
    if (page.length === 0) continue
    const table = tableOf(
      columns,
      page.map((move) => rowOf(move, names)),
      io,
    )
    io.out(table.text)
    for (const note of table.notes ?? []) notes.add(note)
  }
  if (shown < moves)
    notes.add(`${shown} of ${moves} moves; anchorage admin plans ${id} --all lists all of them`)
  for (const note of notes) io.err(`${note}\n`)
}

/** One JSON document with every move. It is written page by page, because a plan may have more moves than fit in memory. */
export async function planAsJson(use: OperatorUseCases, id: PlanId, io: Io): Promise<void> {
  io.out(`{"plan":${json(planProgressWire(await use.plan(id))).trimEnd()},"moves":[`)
  let separator = ''
  for await (const page of use.allMoves(id)) {
    io.out(separator + page.map((move) => json(moveWire(move)).trimEnd()).join(','))
    separator = ','
  }
  io.out(']}\n')
}

const columns: readonly Column[] = [
  { head: 'MOVE', rank: 1 },
  { head: 'CID', rank: 1, least: 16 },
  { head: 'FROM', rank: 1, least: 8 },
  { head: 'TO', rank: 1, least: 8 },
  { head: 'BYTES', rank: 3 },
  { head: 'STATE', rank: 1, colour: stateIn },
  { head: 'REASON', rank: 2, least: 10 },
]

function rowOf(move: PlannedMove, names: Map<string, string>): string[] {
  const { number, cid, from, to, bytes: size, state, reason, note } = move
  return [
    String(number),
    cid,
    names.get(from) ?? from,
    names.get(to) ?? to,
    bytes(size),
    state,
    note === null ? reason : `${reason} (${note})`,
  ]
}

async function namesOf(use: OperatorUseCases): Promise<Map<string, string>> {
  return new Map((await use.statuses()).map(({ node }) => [node.id, node.name]))
}

const shares: readonly Column[] = [
  { head: 'NODE', rank: 1, least: 12 },
  { head: 'HAS', rank: 1 },
  { head: 'SHARE', rank: 1 },
  { head: 'FAIR SHARE', rank: 1 },
  { head: 'AFTER', rank: 1 },
]

/** The share of each node, now and after the plan is carried out. A summary made by another version may lack this. */
function sharesOf({ nodes }: Record<string, unknown>, io: Io): string {
  const lines = Array.isArray(nodes) ? nodes.filter(isShareLine) : []
  if (lines.length === 0) return ''
  const rows = lines.map(({ name, bytes: size, share, fairShare, shareAfter }) => [
    name,
    bytes(size),
    percent(share),
    percent(fairShare),
    percent(shareAfter),
  ])
  return `${tableOf(shares, rows, io).text}\n`
}

function isShareLine(line: unknown): line is ShareLine {
  if (typeof line !== 'object' || line === null || typeof Reflect.get(line, 'name') !== 'string') return false
  return ['bytes', 'share', 'fairShare', 'shareAfter'].every(
    (key) => typeof Reflect.get(line, key) === 'number',
  )
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`
}
