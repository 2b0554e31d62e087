import { strict as assert } from 'node:assert'
import type { Epoch } from '../../src/core/epoch.ts'
import { AnchorageError } from '../../src/core/errors.ts'
import type { NodeId } from '../../src/core/ids.ts'
import type { Content, Database, PinRow, Placement } from './database.ts'
import { foldStatus } from './database.ts'

export interface NewPin {
  id: string
  orgId: string
  cid: string
  replicas: number
  /** The nodes that take content, best first. */
  nodes: readonly NodeId[]
}

/** The copies that a content had when a pin was accepted. */
interface Had {
  copies: number
  pinned: number
  pinning: number
  /** One of them had failed: the status of other pins may change. */
  hasFailed: boolean
}

/** The calls of the orgs: accept, replace, delete. */
export class PinDatabase {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Accepts pins in one transaction. A pin that exists already is left as it is. */
  accept(pins: readonly NewPin[]): void {
    const fresh = pins.filter(({ id }) => !this.#db.pins.has(id))
    if (fresh.length > 0) this.#db.transaction('accept', () => this.#accept(fresh))
  }

  /** Accepts a pin in the place of another one, whose content it holds until it is pinned itself. */
  replace(oldId: string, pin: NewPin): void {
    const { pins } = this.#db
    if (pins.has(pin.id)) return
    const old = pins.get(oldId)
    if (old === undefined) throw new AnchorageError('not_found', 'there is no such pin')
    this.#db.transaction('replace', () => {
      this.#accept([pin])
      this.#removeReplaced(old, pins.get(pin.id) ?? assert.fail('just accepted'))
    })
  }

  remove(id: string): void {
    const pin = this.#db.pins.get(id)
    if (pin === undefined) throw new AnchorageError('not_found', 'there is no such pin')
    this.#db.transaction('remove', () => {
      const gone = [...pin.holds, pin.cid]
      this.#delete(pin)
      this.#db.releaseContents(gone)
    })
  }

  /** Releases what pins hold that are pinned by now. Returns how many pins. */
  releaseHolds(epoch: Epoch): number {
    return this.#db.transaction(
      'release-holds',
      () => {
        const done = [...this.#db.holding].filter(({ status }) => status === 'pinned')
        const held = new Set(done.flatMap(({ holds }) => holds))
        for (const pin of done) this.#hold(pin, [])
        this.#db.releaseContents(held)
        return done.length
      },
      { epoch },
    )
  }

  #accept(pins: readonly NewPin[]): void {
    const had = new Map<string, Had>()
    for (const [cid, same] of Map.groupBy(pins, (pin) => pin.cid)) had.set(cid, this.#want(cid, same))
    for (const { id, orgId, cid, replicas } of pins) {
      const { pinned, pinning } = had.get(cid) ?? assert.fail()
      const pin: PinRow = { id, orgId, cid, replicas, status: 'queued', holds: [] }
      this.#db.pins.set(id, pin)
      this.#db.content(cid).pins.set(id, pin)
      this.#db.notePin(pin, 'accepted')
      const copies = { pinned, pinning, queued: 1, failed: 0 }
      this.#db.setStatus(pin, foldStatus('queued', this.#db.reachable(replicas), copies))
    }
    for (const [cid, { hasFailed }] of had) if (hasFailed) this.#db.fold(this.#db.content(cid))
  }

  /** Gives a content the copies that these pins want. */
  #want(cid: string, pins: readonly NewPin[]): Had {
    const db = this.#db
    const [most = assert.fail('no pins')] = pins.toSorted((a, b) => b.replicas - a.replicas)
    const { orgId, replicas, nodes } = most
    const content = db.contents.get(cid) ?? db.newContent(cid, replicas)
    content.unpinAfter = null
    content.wanted = Math.max(content.wanted, replicas)
    const had: Had = { copies: 0, pinned: 0, pinning: 0, hasFailed: false }
    for (const p of content.placements.values()) this.#wake(content, p, nodes, had)
    const isActive = (id: NodeId): boolean => db.nodes.get(id)?.state === 'active'
    const usable = nodes.some((id) => db.works(id)) ? (id: NodeId) => db.works(id) : isActive
    const open = nodes.filter((id) => !content.placements.has(id) && usable(id))
    for (const nodeId of open.slice(0, Math.max(replicas - had.copies, 0))) {
      db.put(content, nodeId, db.newPlacement(cid, nodeId, 'new', orgId))
      db.hint(content, nodeId)
      had.copies++
    }
    const isOpen = [...content.placements.values()].some(
      ({ state, nodeId, leaving }) =>
        leaving || ((state === 'queued' || state === 'pinning') && isActive(nodeId) && !db.works(nodeId)),
    )
    if (had.copies !== content.wanted || isOpen) db.unsettled.add(cid)
    return had
  }

  /** Asks again for a placement that exists, and counts it when it is one of the copies. */
  #wake(content: Content, p: Placement, chosen: readonly NodeId[], had: Had): void {
    const db = this.#db
    if (p.state === 'pinned' && !p.lost) had.pinned++
    if (p.state === 'failed') had.hasFailed = true
    const elsewhere = p.state === 'unpinning' || (p.state === 'failed' && p.errorCode === 'node_full')
    if (p.lost || p.leaving || (elsewhere && !chosen.includes(p.nodeId))) return
    had.copies++
    if (p.state === 'pinned') return
    if (p.state === 'pinning') had.pinning++
    const isNewIntent = p.state === 'failed' || p.state === 'unpinning'
    db.change(content, p, {
      state: p.state === 'pinning' ? 'pinning' : 'queued',
      generation: isNewIntent ? db.nextGeneration() : p.generation,
      verify: p.verify || p.state === 'unpinning',
      attemptsBefore: p.attempts,
      retrying: false,
      crashes: 0,
      wantedSince: db.now(),
      nextAttemptAt: Math.min(p.nextAttemptAt, db.now()),
    })
    if (p.state !== 'pinning') db.hint(content, p.nodeId)
  }

  #removeReplaced(old: PinRow, successor: PinRow): void {
    const held = old.holds
    const kept = (old.status === 'pinned' ? [old.cid] : held).filter((cid) => cid !== successor.cid)
    this.#hold(successor, kept)
    this.#delete(old)
    if ([...held, old.cid].includes(successor.cid)) this.#db.lowerWanted(this.#db.content(successor.cid))
    const gone = new Set([...held, old.cid]).difference(new Set([...kept, successor.cid]))
    this.#db.releaseContents(gone)
  }

  #delete(pin: PinRow): void {
    this.#hold(pin, [])
    this.#db.notePin(pin, 'deleted')
    this.#db.pins.delete(pin.id)
    this.#db.content(pin.cid).pins.delete(pin.id)
  }

  #hold(pin: PinRow, cids: readonly string[]): void {
    for (const cid of pin.holds) this.#db.content(cid).holders.delete(pin.id)
    for (const cid of cids) {
      this.#db.content(cid).holders.add(pin.id)
      this.#db.notePin({ ...pin, cid }, `holding ${cid}`)
    }
    pin.holds = cids
    if (cids.length > 0) this.#db.holding.add(pin)
    else this.#db.holding.delete(pin)
  }
}
