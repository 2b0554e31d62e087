import { IpfsError } from '../core/ipfs-error.ts'
import type { Progress } from '../core/placement.ts'
import type { Ipfs } from '../core/ports.ts'
import { directPins } from './direct-pins.ts'
import { readDagStat, readErrorMessage, readPin, readPinAdd } from './kubo-answers.ts'
import { pinName } from './pin-name.ts'
import { successOf, type Rpc } from './rpc.ts'

/** Progress is reported this often, as Kubo itself does for a running pin. */
const reportEveryMs = 500

/**
 * The pins of one Kubo; `ours` is the name that marks a pin as ours.
 *
 * **Two calls per pin, and why.** When a recursive pin exists already, `pin/add` does not check its name: it *removes that pin first*, then
 * fetches, then adds its own pin under the new name (Kubo 0.43). So it renames a foreign pin, which we would later remove as ours. And if
 * the fetch then fails or is aborted, the old pin is gone. Hence `pin/ls?arg=` goes first, and an existing pin, foreign or ours, is not
 * added again, except one of ours that has lost blocks. These alternatives fail:
 * - A check during the add, or after it, comes too late.
 * - A set of foreign pins read at start is out of date as soon as an operator pins something, and grows with pins that are not ours.
 * - One `pin/ls` for many CIDs fails at the first that is not pinned and says nothing about the rest.
 * - `pin/update` from a pin of ours needs one call and refuses when a pin exists. But it reports no progress, and when another pin was made
 *   meanwhile, it adds a second one beside it.
 *
 * A gap remains between check and add. When two pins of a CID are fetched at once, the first to finish sets the name. If that is the
 * foreign one, `unpin` finds its name and leaves it.
 *
 * **The cost** (blocks that are there already, 16 pins in flight, two cores): 0.05 ms of our CPU and 0.2 ms of Kubo's. That is 2 to 8 % of
 * the pin rate while the disk is the limit: per pin, Kubo syncs the disk four times under one lock, and a fifth time for the name if its
 * pins are in leveldb (not in pebble). `progress=true` costs up to as much again, and is the only source of the DAG's size and of signs of
 * life.
 */
export function kuboPins(rpc: Rpc, ours: string): Pick<Ipfs, 'pin' | 'unpin' | 'pinned' | 'pins'> {
  const direct = directPins(rpc)
  return {
    async pin(cid, { signal, onProgress }) {
      const [name, directName] = await Promise.all([
        pinName(rpc, cid, 'recursive', signal),
        direct.nameOf(cid, signal),
      ])
      if (name !== null) {
        const progress = await measure(rpc, cid, signal, onProgress).catch((error: unknown) => {
          // The pin is ours, but some of its blocks are gone from the disk: only adding it again can fetch them.
          if (name === ours && error instanceof IpfsError && error.code === 'not_found_in_time')
            return add(rpc, cid, ours, signal, onProgress)
          throw error
        })
        return { ...progress, foreignPin: name !== ours }
      }
      // A direct pin cannot exist beside a recursive one: Kubo turns it into that. It keeps its name, so that we never remove it.
      const progress = await add(rpc, cid, directName ?? ours, signal, onProgress)
      return { ...progress, foreignPin: directName !== null && directName !== ours }
    },

    async unpin(cid, signal) {
      const name = await pinName(rpc, cid, 'recursive', signal)
      // Without a recursive pin `pin/rm` is not called: it would remove a direct pin, which is never ours.
      if (name === null) return 'absent'
      if (name !== ours) return 'foreign'
      const answer = await rpc.ask(`pin/rm?arg=${encodeURIComponent(cid)}`, signal)
      if (answer.status === 500 && readErrorMessage(answer.text).startsWith('not pinned')) return 'absent'
      successOf(answer)
      return 'unpinned'
    },

    async pinned(cid, signal) {
      const name = await pinName(rpc, cid, 'recursive', signal)
      return name === null ? null : name === ours ? 'ours' : 'foreign'
    },

    async *pins(signal) {
      for await (const line of rpc.stream('pin/ls?type=recursive&names=true&stream=true', signal)) {
        const { cid, name } = readPin(line)
        yield { cid, ours: name === ours }
      }
    },
  }
}

async function add(
  rpc: Rpc,
  cid: string,
  name: string,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
): Promise<Progress> {
  let progress: Progress = { blocks: 0, bytes: 0 }
  let confirmed = false
  const path = `pin/add?arg=${encodeURIComponent(cid)}&name=${encodeURIComponent(name)}&progress=true`
  await rpc.lines(path, signal, (line) => {
    const step = readPinAdd(line)
    if (step === 'pinned') confirmed = true
    else onProgress((progress = step ?? progress))
  })
  // Only the last line says that the content is pinned; an answer that just ends does not.
  if (!confirmed) throw new IpfsError('kubo_error', "Kubo's answer ended before it confirmed the pin")
  return progress
}

/**
 * Counts the blocks and bytes of a DAG that is pinned already, and therefore local. It runs offline, so that a damaged repository cannot
 * hang us.
 */
async function measure(
  rpc: Rpc,
  cid: string,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
): Promise<Progress> {
  let progress: Progress = { blocks: 0, bytes: 0 }
  let reportedAt = performance.now()
  await rpc.lines(`dag/stat?arg=${encodeURIComponent(cid)}&progress=true&offline=true`, signal, (line) => {
    progress = readDagStat(line)
    // Kubo reports every block.
    if (performance.now() - reportedAt < reportEveryMs) return
    reportedAt = performance.now()
    onProgress(progress)
  })
  return progress
}
