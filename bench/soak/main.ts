import { parseArgs } from 'node:util'
import { runSoak, type SoakResult } from './run.ts'
import { flat, type Thirds } from './usage.ts'
import { table } from '../table.ts'

const usage = `usage: npm run test:soak -- [--minutes N] [--json]

Runs three fresh nodes under mixed load on this machine, on loopback alone, and shows whether anything grows or breaks. Prints tables by
thirds of the run, and one JSON object on the last line. Exit code 1 when something grew or broke. An anchorage node (after a collection of
its garbage) has grown when its median memory in the last third is more than 1.05 times that in the middle third, a nats-server when it is
also more by 8 MiB, the size of a stream's buffer. Any server has grown when its open files did so. The memory of Postgres (without what its
processes share) and of Kubo is printed, not judged. A run of a few minutes measures only the warm-up, during which memory grows.
  --minutes   the length of the run (default 20)
  --json      prints only the JSON line
`

if (import.meta.main) {
  const options = readOptions(process.argv.slice(2))
  if (options === undefined) {
    process.stderr.write(usage)
    process.exitCode = 2
  } else {
    const say = (line: string): void => void (options.json || process.stdout.write(`${line}\n`))
    const result = await runSoak(options.minutes * 60_000, say)
    say(`\n${growthTable(result)}\n\n${trafficTable(result)}\n\n${verdict(result)}\n`)
    process.stdout.write(`${JSON.stringify(result)}\n`)
    process.exitCode = result.held ? 0 : 1
  }
}

function readOptions(args: string[]): { minutes: number; json: boolean } | undefined {
  try {
    const { values } = parseArgs({
      args,
      options: { minutes: { type: 'string', default: '20' }, json: { type: 'boolean', default: false } },
    })
    const minutes = Number(values.minutes)
    return minutes > 0 && Number.isFinite(minutes) ? { minutes, json: values.json } : undefined
  } catch {
    return undefined
  }
}

function growthTable({ growth }: SoakResult): string {
  const cells = ({ first, middle, last, ratio }: Thirds, digits: number): string[] => [
    ...[first, middle, last].map((value) => value.toFixed(digits)),
    ratio.toFixed(3),
  ]
  return table(
    ['by thirds', 'MiB', '', '', 'last / middle', 'files', '', '', 'last / middle', ''],
    growth.map(({ name, mib, fds, judged, held }) => [
      name,
      ...cells(mib, 1),
      ...cells(fds, 0),
      held ? (judged ? '' : 'memory not judged') : 'GREW',
    ]),
  )
}

function trafficTable({ traffic, minutes }: SoakResult): string {
  return table(
    ['requests', 'in all', 'per second'],
    Object.entries(traffic.asked).map(([what, count]) => [
      what,
      String(count),
      (count / minutes / 60).toFixed(2),
    ]),
  )
}

function verdict({ growth, traffic, held }: SoakResult): string {
  const grew = growth.filter((each) => !each.held).map(({ name }) => name)
  const wrong = [...traffic.broken, ...traffic.odd]
  return [
    `${traffic.broken.length} answers of 500 and above or missing answers, ${traffic.odd.length} other ` +
      'unexpected answers',
    ...wrong.slice(0, 10),
    grew.length === 0
      ? `nothing grew by more than ${((flat - 1) * 100).toFixed(0)} %`
      : `grew: ${grew.join(', ')}`,
    held ? 'held' : 'NOT HELD',
  ].join('\n')
}
