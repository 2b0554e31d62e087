import type { Maintenance } from '../../core/ports.ts'
import { maintenanceWire } from '../../http/admin/admin-wire.ts'
import { durationOf, noMore, required } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { duration, json, printable } from '../print.ts'
import { WrongUse, type Io } from '../verb.ts'
import { withOperator, type Operator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin maintenance on --reason TEXT [--ttl DURATION] [--json] [--config FILE] [--OPTION VALUE …]
       anchorage admin maintenance off | status [--json] [--config FILE] [--OPTION VALUE …]

While maintenance is on, nothing is repaired, moved or requeued, so that nodes may come and go; the API serves, and new pins are
placed on the nodes that live.

on      switches it on, or replaces its reason and end. With --ttl (30m, 2h) it ends by itself; without, when it is switched
        off, and past cluster.maintenance.maxDuration the logs are loud about it.
off     switches it off.
status  tells whether it is on.

--json prints {"on","reason","actor","since","until"}. Works on the database of the node's own config, with HTTP and NATS down.
`

const options = {
  reason: { type: 'string' },
  ttl: { type: 'string' },
  json: { type: 'boolean' },
} as const

/** Switches maintenance on and off. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, options, io)
  const [action, ...more] = positionals
  noMore(more)
  const act = actionOf(action, values)
  await withOperator(config, io, async (operator) => {
    const maintenance = await act(operator)
    io.out(values.json ? json(maintenanceWire(maintenance)) : `${inWords(maintenance, Date.now())}\n`)
  })
}

type Action = (operator: Operator) => Promise<Maintenance | null>

function actionOf(action: string | undefined, values: { reason?: string; ttl?: string }): Action {
  if (action === 'on') {
    const reason = required(values.reason, '--reason TEXT')
    const ttlMs = values.ttl === undefined ? null : durationOf(values.ttl, '--ttl')
    return ({ use, actor }) => use.beginMaintenance({ reason, ttlMs }, actor)
  }
  if (values.reason !== undefined || values.ttl !== undefined)
    throw new WrongUse('--reason and --ttl belong to maintenance on')
  if (action === 'status') return ({ use }) => use.maintenance()
  if (action !== 'off') {
    throw new WrongUse(
      `expected on, off or status after maintenance${action === undefined ? '' : `, not ${action}`}`,
    )
  }
  return async ({ use, actor }) => {
    await use.endMaintenance(actor)
    return null
  }
}

/** `maintenance is on for 5m: new switches (operator:root@anchor-1), until it is switched off` */
function inWords(maintenance: Maintenance | null, nowMs: number): string {
  if (maintenance === null) return 'maintenance is off'
  const { reason, actor, since, until } = maintenance
  const age = duration(Math.max(0, nowMs - since.getTime()))
  const end =
    until === null
      ? 'until it is switched off'
      : `ends in ${duration(Math.max(0, until.getTime() - nowMs))} (${until.toISOString()})`
  return printable(`maintenance is on for ${age}: ${reason} (${actor}), ${end}`)
}
