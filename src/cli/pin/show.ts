import type { PinStatus } from '../../http/client.ts'
import { stateIn } from '../paint.ts'
import { bytes, duration, printable } from '../print.ts'
import type { Io } from '../verb.ts'

/** The progress of a pin in a few words: `pinning, 12 blocks, 3.4 MiB, attempt 2 (stalled, again in 9s)`. */
export function progressOf(pin: PinStatus, nowMs: number): string {
  const { blocks, bytes: size, dag_size, attempts, next_retry, error_code } = pin.info ?? {}
  const words = [
    pin.status,
    Number(blocks) > 0 ? `${blocks} blocks` : '',
    Number(size) > 0 ? (Number(dag_size) > 0 ? `${amount(size)} of ${amount(dag_size)}` : amount(size)) : '',
    Number(attempts) > 1 ? `attempt ${attempts}` : '',
  ]
  const waitMs = next_retry === undefined ? NaN : Date.parse(next_retry) - nowMs
  const trouble = [error_code ?? '', waitMs > 0 ? `again in ${duration(waitMs)}` : '']
  const why = trouble.filter((word) => word !== '').join(', ')
  return printable(words.filter((word) => word !== '').join(', ') + (why === '' ? '' : ` (${why})`))
}

/** Everything about one pin, one line for each fact. */
export function inFull(pin: PinStatus, nowMs: number, { paint }: Pick<Io, 'paint'>): string {
  const { cid, name, origins = [], meta = {} } = pin.pin
  const { status_details, ...info } = pin.info ?? {}
  const lines: [string, string][] = [
    ['requestid', pin.requestid],
    ['cid', cid],
    ...(name === undefined ? [] : [['name', name] satisfies [string, string]]),
    ['status', progressOf(pin, nowMs)],
    ...(status_details === undefined ? [] : [['details', status_details] satisfies [string, string]]),
    ['created', `${pin.created} (${duration(Math.max(0, nowMs - Date.parse(pin.created)))} ago)`],
    ...Object.entries(meta).map(([key, value]): [string, string] => ['meta', `${key}=${value}`]),
    ...origins.map((origin): [string, string] => ['origin', origin]),
    ...pin.delegates.map((delegate): [string, string] => ['delegate', delegate]),
    ...Object.entries(info).map(([key, value]): [string, string] => ['info', `${key}=${value}`]),
  ]
  return lines
    .map(([label, value]) => {
      const shown = printable(value)
      return `${label.padEnd(10)} ${label === 'status' ? stateIn(paint, shown) : shown}\n`
    })
    .join('')
}

function amount(count: string | undefined): string {
  return bytes(Number(count))
}
