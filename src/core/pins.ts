import { chooseNodes } from './choose-nodes.ts'
import { parseCid } from './cid.ts'
import { AnchorageError, isCode } from './errors.ts'
import { gather } from './gather.ts'
import { hintLimit } from './hint-limit.ts'
import { idOrNotFound, mintId, type OrgId, type PinId } from './ids.ts'
import { usableOrigins } from './origin.ts'
import type { NewPin, Pin, PinRequest, WokenPlacement, Accepted, PinPage, PinQuery } from './pin.ts'
import type { Bus, Log, PinStore, Presence, SteadyClock } from './ports.ts'
import type { Pressure } from './accept-pressure.ts'
import { replicasOf } from './replicas.ts'
import type { RoomPolicy } from './node-room.ts'
import type { OrgPrincipal } from './token.ts'

/**
 * What an org can do with its pins. The caller checks the scopes. These use cases decide whose rows are visible: another org's pin, and a
 * `requestid` that is not a pin id, are `not_found`. All methods reject with `AnchorageError`; `unavailable` when Postgres cannot be asked.
 */
export interface PinUseCases {
  /**
   * Accepts a pin, which is durable once this resolves. `invalid` names the field; `over_quota` and `too_many` follow from the org's
   * limits.
   */
  create(principal: OrgPrincipal, request: PinRequest): Promise<Pin>
  /** Removes pin `requestid` and accepts `request` in one step. When it rejects, the old pin is unchanged. */
  replace(principal: OrgPrincipal, requestid: string, request: PinRequest): Promise<Pin>
  /** Removes a pin in any state. */
  remove(principal: OrgPrincipal, requestid: string): Promise<void>
  get(principal: OrgPrincipal, requestid: string): Promise<Pin>
  /** `signal` aborts when the client has gone. */
  list(principal: OrgPrincipal, query: PinQuery, signal?: AbortSignal): Promise<PinPage>
}

/** Larger batches gain nothing (measured), and the last item waits longer. */
const maxBatch = 32
/** How many nodes are chosen for a pin that leaves the number to its org, which only the store knows. Repair finds further nodes. */
const usualReplicas = 5
/** The waits between attempts to repeat an accept whose answer got lost, before the client gets an error. */
const retryMs = [100, 400, 1_500]

export interface PinsOptions {
  store: PinStore
  presence: Presence
  bus: Pick<Bus, 'publishJobs'>
  clock: SteadyClock
  log: Log
  pressure: Pressure
  /** How full a node may be and still take content. */
  room: RoomPolicy
  /** The most bytes that the keys and values of one pin's meta have together. */
  maxMetaBytes: number
}

/** What an org can do with its pins, over a store, the known nodes, and the bus for hints. */
export function pinUseCases(options: PinsOptions): PinUseCases {
  const { store, bus, clock, log, pressure } = options
  const worthHinting = hintLimit(store, clock)
  const accept = gather<OrgId, NewPin, { pin: Pin; woken: WokenPlacement[] }>(
    async (orgId, pins) =>
      (await retried(options, (again) => store.acceptPins(orgId, pins, again))).map(outcomeOf),
    { max: maxBatch },
  )

  /** Hints may be lost: the rows exist, and nodes ask Postgres for due rows. So no request waits for this. */
  const hint = (orgId: OrgId, woken: WokenPlacement[]): void => {
    const worth = worthHinting(orgId, woken)
    if (worth.length === 0) return
    bus
      .publishJobs(worth)
      .catch((err: unknown) => log.debug({ err }, 'hints were not sent; the nodes find the work in Postgres'))
  }

  return {
    async create(principal, request) {
      const accepting = accept(principal.orgId, newPin(options, principal, request))
      const { pin, woken } = await pressure.during(accepting)
      hint(principal.orgId, woken)
      return pin
    },
    async replace(principal, requestid, request) {
      const old = pinId(requestid)
      const pin = newPin(options, principal, request)
      const done = await retried(options, (again) => store.replacePin(principal.orgId, old, pin, again))
      hint(principal.orgId, done.woken)
      return done.pin
    },
    async remove(principal, requestid) {
      const woken = await store.removePin(principal.orgId, pinId(requestid), principal.actor)
      hint(principal.orgId, woken)
    },
    get: async (principal, requestid) => store.getPin(principal.orgId, pinId(requestid)),
    list: (principal, query, signal) => store.listPins(principal.orgId, query, signal),
  }
}

/** Ids are minted here, once, so that an accept whose COMMIT got no answer can be repeated. */
function newPin(options: PinsOptions, principal: OrgPrincipal, request: PinRequest): NewPin {
  const { presence, room, maxMetaBytes } = options
  const cid = parseCid(request.cid)
  assertMetaFits(request.meta ?? {}, maxMetaBytes)
  const replicas = replicasOf(request.meta)
  const { origins, passedOver } = usableOrigins(request.origins ?? [])
  const known = presence.nodes()
  if (known.length === 0)
    throw new AnchorageError('unavailable', 'no node can accept pins yet; try again', {
      retryAfterSeconds: 5,
    })
  // A node that cannot take the content now is not chosen. Repair adds the copy once some node can.
  const nodes = chooseNodes(cid, known, replicas ?? usualReplicas, room)
  return {
    id: mintId('pin'),
    cid,
    cidText: request.cid,
    ...(request.name === undefined ? {} : { name: request.name }),
    ...(origins.length === 0 ? {} : { origins }),
    ...(passedOver === null ? {} : { originsPassedOver: passedOver }),
    ...(request.meta === undefined ? {} : { meta: request.meta }),
    replicas,
    actor: principal.actor,
    nodes,
  }
}

function assertMetaFits(meta: Record<string, string>, max: number): void {
  const bytes = Object.entries(meta)
    .flat()
    .reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  if (bytes > max)
    throw new AnchorageError(
      'invalid',
      `meta: its keys and values have ${bytes} bytes; at most ${max} are allowed`,
      { bound: 'bytes of the meta of a pin' },
    )
}

/** For the spec any string is a requestid. A string that is not a pin id is reported as "not found". */
function pinId(requestid: string): PinId {
  return idOrNotFound('pin', requestid, 'there is no pin with this requestid')
}

/** Repeats work that is safe to repeat while Postgres is briefly unavailable. */
async function retried<T>({ clock }: PinsOptions, work: (again: boolean) => Promise<T>): Promise<T> {
  for (const [attempt, ms] of retryMs.entries()) {
    try {
      return await work(attempt > 0)
    } catch (error) {
      if (!isCode(error, 'unavailable')) throw error
    }
    await clock.sleep(ms, new AbortController().signal)
  }
  return work(true)
}

function outcomeOf(accepted: Accepted): { pin: Pin; woken: WokenPlacement[] } | Error {
  return 'error' in accepted ? accepted.error : accepted
}
