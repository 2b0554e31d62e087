import type { Maintenance } from '../../core/maintenance.ts'
import { maintenanceWire } from '../../http/admin/admin-wire.ts'
import { durationOf, nonEmpty, wordArgument } from '../arguments.ts'
import { duration, json, printable } from '../print.ts'
import { WrongUse } from '../verb.ts'
import { operatorVerb } from './operator-verb.ts'
import type { Operator } from './with-operator.ts'

const actions = ['on', 'off', 'status'] as const

/** Switches maintenance on and off. */
export const command = operatorVerb(
  {
    about: `While maintenance is on, no content is repaired, moved or queued again, so that nodes may stop and start. The API serves
requests, and new pins are placed on the live nodes.`,
    terms: {
      Actions: [
        [
          'on',
          'switch it on, or replace its reason and end. Without --ttl it stays on until it is switched off; after cluster.maintenance.maxDuration the logs warn about it',
        ],
        ['off', 'switch it off'],
        ['status', 'show whether it is on'],
      ],
    },
    json: '{"on","reason","actor","since","until"}.',
    examples: ['admin maintenance on --reason "new switches" --ttl 2h', 'admin maintenance off'],
  },
  (bare) =>
    bare
      .addArgument(wordArgument('<ACTION>', 'the action', actions, 'maintenance'))
      .option(
        '--reason <TEXT>',
        'with on: the reason, which anchorage admin status shows',
        nonEmpty('--reason'),
      )
      .option(
        '--ttl <DURATION>',
        'with on: switch it off after this long, such as 30m or 2h',
        durationOf('--ttl'),
      ),
  ([action], values, io) => {
    const act = actionOf(action, values)
    return async (operator) => {
      const maintenance = await act(operator)
      io.out(io.json ? json(maintenanceWire(maintenance)) : `${inWords(maintenance, Date.now())}\n`)
    }
  },
)

type Action = (operator: Operator) => Promise<Maintenance | null>

function actionOf(
  action: (typeof actions)[number],
  { reason, ttl: ttlMs = null }: { reason?: string | undefined; ttl?: number | null | undefined },
): Action {
  if (action === 'on') {
    if (reason === undefined) throw new WrongUse('--reason TEXT is missing')
    return ({ use, actor }) => use.beginMaintenance({ reason, ttlMs }, actor)
  }
  if (reason !== undefined || ttlMs !== null)
    throw new WrongUse('--reason and --ttl belong to maintenance on')
  if (action === 'status') return ({ use }) => use.maintenance()
  return async ({ use, actor }) => {
    await use.endMaintenance(actor)
    return null
  }
}

/** `maintenance has been on for 5m: new switches (operator:root@anchor-1), until it is switched off` */
function inWords(maintenance: Maintenance | null, nowMs: number): string {
  if (maintenance === null) return 'maintenance is off'
  const { reason, actor, since, until } = maintenance
  const age = duration(Math.max(0, nowMs - since.getTime()))
  const end =
    until === null
      ? 'until it is switched off'
      : `ends in ${duration(Math.max(0, until.getTime() - nowMs))} (${until.toISOString()})`
  return printable(`maintenance has been on for ${age}: ${reason} (${actor}), ${end}`)
}
