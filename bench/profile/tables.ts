import { table } from '../table.ts'
import type { StatementSums } from './observed.ts'
import type { OperationProfile, Profile } from './run.ts'
import { peers } from './usage.ts'
import type { Spent } from './spent.ts'

/** The costs of all operations, and then the statements and functions of each. */
export function profileTables({ versions, operations }: Profile): string {
  return [
    `Postgres ${versions.postgres}, Kubo ${versions.kubo}, Node ${process.version}`,
    processorTable(operations),
    trafficTable(operations),
    commitTable(operations),
    ...operations.flatMap((operation) => [statementTable(operation), functionTable(operation)]),
  ].join('\n\n')
}

/** Shown of each operation; `--json` has all of them. */
const [statementsShown, functionsShown, placesShown] = [12, 15, 8]

function processorTable(operations: OperationProfile[]): string {
  return table(
    [
      'processors, µs an operation',
      'per second',
      'p50 ms',
      'p99 ms',
      'node',
      'system',
      'Postgres',
      'system',
      'Kubo',
      'nats',
      'machine busy',
    ],
    operations.map(({ what, ran, usage: { spent }, busy }) => [
      what,
      ran.perSecond.toFixed(0),
      ran.p50Ms?.toFixed(1) ?? '',
      ran.p99Ms?.toFixed(1) ?? '',
      µs(processorMs(spent.node)),
      µs(spent.node.systemMs),
      µs(processorMs(spent.postgres)),
      µs(spent.postgres.systemMs),
      µs(processorMs(spent.kubo)),
      µs(processorMs(spent.nats)),
      `${(busy * 100).toFixed(0)} %`,
    ]),
  )
}

function trafficTable(operations: OperationProfile[]): string {
  return table(
    [
      'the node reads and writes, an operation',
      'calls',
      'KiB in',
      'KiB out',
      ...peers.flatMap((peer) => [`${peer}: packets`, 'KiB in', 'KiB out']),
    ],
    operations.map(({ what, usage: { spent, traffic } }) => [
      what,
      (spent.node.reads + spent.node.writes).toFixed(2),
      kib(spent.node.readBytes),
      kib(spent.node.writtenBytes),
      ...peers.flatMap((peer) => {
        const { sentPackets, receivedPackets, receivedBytes, sentBytes } = traffic[peer]
        return [(sentPackets + receivedPackets).toFixed(2), kib(receivedBytes), kib(sentBytes)]
      }),
    ]),
  )
}

function commitTable(operations: OperationProfile[]): string {
  return table(
    [
      'Postgres',
      'operations a COMMIT',
      'a writing transaction',
      'statements an operation',
      'run by functions',
      'plan µs',
      'execute µs',
      'KiB of WAL',
      'KiB written',
    ],
    operations.map(({ what, usage: { written, spent }, statements }) => {
      const sent = statements.filter((statement) => statement.sent)
      const sum = (of: StatementSums[], field: 'calls' | 'planMs' | 'execMs'): number =>
        of.reduce((all, statement) => all + statement[field], 0)
      return [
        what,
        oneIn(
          sum(
            sent.filter(({ text }) => text === 'commit'),
            'calls',
          ),
        ),
        oneIn(written.transactions),
        sum(sent, 'calls').toFixed(2),
        (sum(statements, 'calls') - sum(sent, 'calls')).toFixed(2),
        µs(sum(statements, 'planMs')),
        µs(sum(sent, 'execMs')),
        kib(written.walBytes),
        kib(spent.postgres.writtenBytes),
      ]
    }),
  )
}

/** Leaves out what the node did by itself meanwhile: statements with few calls and little time. */
function statementTable({ what, statements }: OperationProfile): string {
  const ms = ({ planMs, execMs }: StatementSums): number => planMs + execMs
  const all = statements.reduce((sum, statement) => sum + ms(statement), 0)
  const shown = statements.filter((statement) => statement.calls > 0.5 || ms(statement) > all / 200)
  return table(
    [
      `${what}: statements (· run by a function)`,
      'operations a call',
      'rows a call',
      'plan µs',
      'execute µs',
    ],
    shown
      .slice(0, statementsShown)
      .map(({ text, sent, calls, rows, planMs, execMs }) => [
        `${sent ? '' : '· '}${short(text)}`,
        oneIn(calls),
        (rows / calls).toFixed(1),
        µs(planMs),
        µs(execMs),
      ]),
  )
}

/** Shares of what the profiler saw, and of the time of a processor that was measured without it. */
function functionTable({ what, shares, usage: { spent } }: OperationProfile): string {
  const row = ({ name, share }: { name: string; share: number }): string[] => [
    name,
    `${(share * 100).toFixed(1)} %`,
    µs(share * processorMs(spent.node)),
  ]
  return table(
    [`${what}: the node's functions, and where they are`, 'share', 'µs'],
    [
      ...shares.functions.slice(0, functionsShown).map(row),
      ['', '', ''],
      ...shares.places.slice(0, placesShown).map(row),
    ],
  )
}

function processorMs({ userMs, systemMs }: Spent): number {
  return userMs + systemMs
}

/** How many operations there are for each of a thing of which one operation has `each`. */
function oneIn(each: number): string {
  return each === 0 ? '' : (1 / each).toFixed(1)
}

function kib(bytes: number): string {
  return (bytes / 1024).toFixed(2)
}

function µs(ms: number): string {
  return (ms * 1000).toFixed(0)
}

/** A statement in one line. */
export function short(text: string, length = 90): string {
  const line = text.replaceAll(/--.*$/gm, '').replaceAll(/\s+/g, ' ').trim()
  return line.length > length ? `${line.slice(0, length - 1)}…` : line
}
