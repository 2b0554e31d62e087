import type { PinClient, PinStatus } from '../../http/client.ts'
import type { Io } from '../verb.ts'
import { watch } from '../watch.ts'
import { progressOf } from './show.ts'

/** Watches a pin until it is `pinned` or `failed`, and returns its last status (or the status when `io.signal` aborted). */
export function follow(client: PinClient, first: PinStatus, io: Io, quiet: boolean): Promise<PinStatus> {
  const watched = {
    read: () => client.get(first.requestid, io.signal),
    isOver: ({ status }: PinStatus) => status === 'pinned' || status === 'failed',
    show: (pin: PinStatus) => ({ text: progressOf(pin, Date.now()), more: pin.pin.cid }),
  }
  return watch(first, watched, io, quiet)
}
