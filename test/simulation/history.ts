import { numberOf } from '../../src/core/epoch.ts'
import type { Change, Commit, Placement } from './database.ts'

interface Line {
  atMs: number
  /** Null when it concerns the whole cluster. */
  cid: string | null
  text: string
}

/** Everything that happened in one run, to be shown for one content. */
export class History {
  readonly #now: () => number
  readonly #lines: Line[] = []

  constructor(now: () => number) {
    this.#now = now
  }

  note(cid: string | null, text: string): void {
    this.#lines.push({ atMs: this.#now(), cid, text })
  }

  /** Notes every changed placement and pin of a commit. */
  committed({ op, epoch, changes, folds, pins }: Commit): void {
    const by = epoch === null ? op : `${op} under epoch ${numberOf(epoch)}`
    for (const { cid, text } of pins) this.note(cid, `${by}: ${text}`)
    for (const change of changes)
      this.note((change.after ?? change.before)?.cid ?? null, `${by}: ${inWords(change)}`)
    for (const { pin, was } of folds) this.note(pin.cid, `${by}: ${pin.id} ${was} > ${pin.status}`)
  }

  /** The lines about this content, and those about the whole cluster; about everything when `cid` is null. */
  of(cid: string | null): string[] {
    return this.#lines
      .filter((line) => cid === null || line.cid === null || line.cid === cid)
      .map(
        (line) => `${String(line.atMs).padStart(9)} ms  ${line.cid === null ? '·' : line.cid}  ${line.text}`,
      )
  }
}

function inWords({ before, after }: Change): string {
  const nodeId = (after ?? before)?.nodeId.slice(-4)
  return `${nodeId} ${before === null ? 'none' : placementInWords(before)} > ${after === null ? 'none' : placementInWords(after)}`
}

function placementInWords(p: Placement): string {
  const claim = p.claim === null ? '' : ` claimed by boot ${p.claim.boot} for ${p.claim.generation}`
  return `${p.state} ${p.generation}${p.lost ? ' lost' : ''}${p.leaving ? ' leaving' : ''}${claim}`
}
