import type { NodeIdentity } from '../core/node.ts'
import { uuidOf } from '../core/ids.ts'
import type { SystemTx } from './database.ts'

/** How many due retries one step of a walk looks at. */
const step = 4_000
/** How many steps one read takes towards the retries that became due last. */
const stepsMax = 16

/** A due placement as the functions of the database return it. */
export interface DueRow {
  cid: string
  generation: number
  attempt: number
  org_id: string
  state: 'queued' | 'unpinning'
}

interface Position {
  at: string
  org: string
}

const start: Position = { at: '-infinity', org: '00000000-0000-0000-0000-000000000000' }

/**
 * The orgs that have retries due on one node, in turn. A read visits at most as many orgs as it may return retries, and continues with the
 * next org at the next read. An org without a due retry is not visited, and costs nothing, however many retries it has that wait.
 *
 * Two walks over the due retries, in the order of their due time, find the orgs. One has passed everything that was due at the last read,
 * so that it meets each retry when it becomes due. The other begins again whenever it has come to the end, so it finds what the first one
 * cannot meet: a retry that was written with a due time in the past.
 *
 * With n orgs that have due retries and d due retries, a read that may return r retries returns one of a given org within ⌈n/r⌉ reads after
 * the org was found. The first walk finds the org at the next read; after a start of the process, within ⌈d/64,000⌉ reads. The second walk
 * finds it within ⌈d/4,000⌉ reads.
 */
export class RetryTurns {
  /** The org whose turn is next comes first. */
  readonly #orgs = new Set<string>()
  #newest = start
  #walk = start

  /** At most `perOrg` retries of an org and `most` in all, each org's first before any org's second. */
  async read(tx: SystemTx, node: NodeIdentity, perOrg: number, most: number): Promise<DueRow[]> {
    if (most <= 0) return []
    await this.#find(tx, node)
    const orgs = this.#next(most)
    if (orgs.length === 0) return []
    const params = [uuidOf(node.nodeId), orgs, perOrg, most]
    const rows = await tx.query<DueRow>('select * from due_retries($1, $2, $3, $4)', params)
    const due = new Set(rows.map((row) => row.org_id))
    for (const org of orgs) {
      this.#orgs.delete(org)
      if (due.has(org)) this.#orgs.add(org)
    }
    return rows
  }

  #next(most: number): string[] {
    const orgs: string[] = []
    for (const org of this.#orgs) {
      if (orgs.length === most) break
      orgs.push(org)
    }
    return orgs
  }

  async #find(tx: SystemTx, node: NodeIdentity): Promise<void> {
    const walked = await this.#walkOn(tx, node, this.#walk)
    this.#walk = walked.more ? walked.position : start
    for (let steps = 0; steps < stepsMax; steps++) {
      const { position, more } = await this.#walkOn(tx, node, this.#newest)
      this.#newest = position
      if (!more) return
    }
  }

  async #walkOn(
    tx: SystemTx,
    { nodeId }: NodeIdentity,
    after: Position,
  ): Promise<{ position: Position; more: boolean }> {
    // The time is read as text: a Date would lose its microseconds.
    const [row] = await tx.query<{ orgs: string[]; at: string | null; org: string | null; more: boolean }>(
      'select orgs, at::text, org, more from orgs_to_retry($1, $2, $3, $4)',
      [uuidOf(nodeId), after.at, after.org, step],
    )
    for (const org of row?.orgs ?? []) this.#orgs.add(org)
    const at = row?.at ?? null
    const org = row?.org ?? null
    return { position: at === null || org === null ? after : { at, org }, more: row?.more ?? false }
  }
}
