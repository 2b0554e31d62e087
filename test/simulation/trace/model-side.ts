import { isCode } from '../../../src/core/errors.ts'
import type { NodeId } from '../../../src/core/ids.ts'
import type { ContentCopies } from '../../../src/core/repair.ts'
import { Database, type ClaimRow } from '../database.ts'
import { LeaderDatabase } from '../leader-database.ts'
import { NodeDatabase } from '../node-database.ts'
import { PinDatabase } from '../pin-database.ts'
import type { Rows } from './rows.ts'
import { times, type LeaderStep, type Side, type Step } from './step.ts'

/** The store of the simulation. */
export class ModelSide implements Side {
  now = 1_000_000_000
  readonly db = new Database(() => this.now, times.unpinGraceMs)
  readonly pins = new PinDatabase(this.db)
  readonly nodes = new NodeDatabase(this.db)
  readonly leader = new LeaderDatabase(this.db, this.nodes)

  run(step: Step): Promise<unknown> {
    // two moments of the real clock are never the same
    this.now++
    try {
      return Promise.resolve(this.#run(step))
    } catch (error) {
      if (isCode(error, 'not_found', 'conflict', 'not_leading', 'maintenance'))
        return Promise.resolve({ error: error.code })
      throw error
    }
  }

  #run(step: Step): unknown {
    const { pins, nodes, leader } = this
    switch (step.do) {
      case 'accept':
        return pins.accept(step.pins)
      case 'replace':
        return pins.replace(step.old, step.pin)
      case 'remove':
        return pins.remove(step.id)
      case 'boot':
        return nodes.boot(step.nodeId)
      case 'see':
        return nodes.see(step.nodeId, step.boot, { unable: step.unable })
      case 'voidClaims':
        return nodes.voidClaims(step.nodeId, step.boot)
      case 'claim':
        return nodes.claim(step.nodeId, step.boot, step.jobs, times.claimMs).map(({ cid }) => cid)
      case 'extend':
        return nodes.extend(step.nodeId, step.boot, step.under, times.claimMs).toSorted()
      case 'finish': {
        const woken = nodes.finish(step.nodeId, step.boot, step.finishes)
        return woken.map(({ cid, attempt }) => `${cid} ${attempt}`).toSorted()
      }
      case 'requeueMissing':
        return nodes.requeueMissing(step.nodeId, step.cids)
      case 'dropUnwanted':
        return nodes.dropUnwanted(step.nodeId, step.cids)
      case 'join':
        return void this.db.addNode(step.nodeId)
      case 'drain':
        return leader.drain(step.nodeId)
      case 'uncordon':
        return leader.uncordon(step.nodeId)
      case 'forget':
        return leader.forget(step.nodeId, step.acceptLoss)
      case 'plan':
        leader.plan = { moves: step.moves.map((move) => ({ ...move, state: 'planned' })), isApplied: false }
        return undefined
      case 'elect':
        return this.db.takeEpoch(step.seen, step.termId)
      case 'setEpoch':
        return void (this.db.epoch = step.epoch)
      case 'pass':
        this.now += step.ms
        return undefined
      case 'read':
        return this.#read()
      case 'inMaintenance':
        this.db.maintenance = true
        try {
          return this.#run(step.step)
        } finally {
          this.db.maintenance = false
        }
      default:
        return this.#lead(step)
    }
  }

  #lead(step: LeaderStep): unknown {
    const { pins, leader } = this
    const { epoch } = step
    switch (step.do) {
      case 'requeueExpired':
        return void leader.requeueExpired(epoch)
      case 'releaseDue':
        return void leader.releaseDue(epoch)
      case 'releaseHolds':
        return void pins.releaseHolds(epoch)
      case 'noteDrained':
        return leader.noteDrained(epoch).toSorted()
      case 'noteDown':
        return leader.noteDown(epoch, step.nodeId, step.down)
      case 'noteAway':
        return leader.noteAway(epoch, step.nodeId, { what: step.what, forMs: 0 })
      case 'noteHeard':
        return leader.noteHeard(epoch, step.nodeId)
      case 'advanceWalk':
        return leader.advanceWalk(epoch, step.nodeId, step.afterCid)
      case 'apply':
        return leader.apply(epoch, step.repairs)
      case 'startMoves':
        return leader.startMoves(epoch, step.limit)
      case 'settleMoves':
        return leader.settleMoves(epoch)
    }
  }

  #read(): unknown {
    const { leader, db } = this
    const nodes = [...db.nodes.keys()].toSorted()
    // a sign of life a moment ago; which of them are silent is no matter of the trace
    for (const node of db.nodes.values()) node.lastSeen = this.now
    return {
      unsettled: leader.unsettled('', 1_000).map(comparable),
      walks: leader.walks().toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1)),
      down: leader.downNodes().toSorted(),
      moving: leader.moving(),
      usage: leader.usage().toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1)),
      on: nodes.map((nodeId) => leader.onNode(nodeId, '', 1_000).map(comparable)),
      waiting: nodes.map((nodeId) => leader.waitingOn(nodeId, '', 1_000).contents.map(comparable)),
      sole: nodes.map((nodeId) => leader.soleContents(nodeId)),
      movable: nodes.map((nodeId) => leader.movable(nodeId, '', 1_000).map(holdersInOrder)),
    }
  }

  #lasts({ until }: ClaimRow): 'over' | 'later' | null {
    if (until === null) return null
    return until < this.now ? 'over' : 'later'
  }

  rows(): Rows {
    const { db, now } = this
    const placements = [...db.contents.values()].flatMap(({ placements }) => [...placements.values()])
    return {
      contents: [...db.contents.values()].map(({ cid, wanted, dagSize, unpinAfter, isLost }) => ({
        cid,
        wanted,
        unsettled: db.unsettled.has(cid),
        dagSize,
        isLost,
        unpin: unpinAfter === null ? 'never' : unpinAfter <= now ? 'due' : 'later',
      })),
      placements: placements.map(({ claim, generation, wantedSince, nextAttemptAt, ...p }) => ({
        ...p,
        generation,
        isDue: nextAttemptAt <= now,
        isWoken: wantedSince > nextAttemptAt,
        claim: claim && { ...claim, until: this.#lasts(claim) },
      })),
      pins: [...db.pins.values()].map((pin) => ({ ...pin, holds: pin.holds.toSorted() })),
      epoch: db.epoch,
      nodes: [...db.nodes.values()].map(({ id, state, incarnation, isDown, unable, walkAfter }) => ({
        id,
        state,
        incarnation,
        isDown,
        unable: unable?.what ?? null,
        walkAfter,
      })),
    }
  }
}

/** Without the generations, which are other numbers on the other side. */
export function comparable({ cid, wanted, dagSize, copies }: ContentCopies): object {
  const inOrder = copies.toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
  return { cid, wanted, dagSize, copies: inOrder.map((copy) => ({ ...copy, generation: 0 })) }
}

export function holdersInOrder(movable: { cid: string; bytes: number; holders: NodeId[] }): object {
  return { ...movable, holders: movable.holders.toSorted() }
}
