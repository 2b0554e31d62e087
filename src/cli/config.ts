import { resolveConfig, loadConfig } from '../app/config.ts'
import { configDocs } from '../app/config-docs.ts'
import { configKeys, flagOf } from '../app/config-keys.ts'
import { limitsDocs } from '../app/limits-docs.ts'
import { splitFlags } from '../app/config-sources.ts'
import { redact } from '../app/redact.ts'
import { isCode } from '../core/errors.ts'
import { metricsDocs } from '../metrics/docs.ts'
import { argumentsOf, noMore } from './arguments.ts'
import { checkCertificates } from './doctor/certificates.ts'
import { checkConfig, checkSecrets } from './doctor/config.ts'
import { checkDisk } from './doctor/disk.ts'
import type { Check } from './doctor/finding.ts'
import { look } from './doctor/look.ts'
import { checkPorts } from './doctor/ports.ts'
import { checkPostgres } from './doctor/postgres.ts'
import { json, printable, table } from './print.ts'
import { WrongUse, type Io } from './verb.ts'

export const usage = `
Usage: anchorage config check [--offline] [--config FILE] [--OPTION VALUE …]
       anchorage config print [--json] [--config FILE] [--OPTION VALUE …]
       anchorage config docs|limits|metrics

check   tells whether anchorage serve can start with this configuration: options and the files that they name, data directory,
        ports, and Postgres with its logins and schema. Exit code 1 when it cannot. Run it as the user that runs serve.
        --offline looks at the options and their files alone. anchorage doctor looks at NATS, Kubo and the rest, too.
print   shows every option, its value and where it comes from (secrets as ***).
docs    prints the table of all options (docs/config.md is this).
limits  prints every bound that somebody who uses the service can meet (docs/limits.md is this).
metrics prints every metric family that a node shows (docs/metrics.md is this).
`

const pages: Record<string, () => string> = { docs: configDocs, limits: limitsDocs, metrics: metricsDocs }

/** `config check`, `config print`, and the pages that are made of the code: `config docs`, `config limits` and `config metrics`. */
export async function run(argv: string[], io: Io): Promise<number> {
  const { config: flags, rest } = splitFlags(argv)
  const known = configKeys.map(flagOf)
  const { values, positionals } = argumentsOf(
    rest,
    { json: { type: 'boolean' }, offline: { type: 'boolean' } },
    known,
  )
  const [action, ...more] = positionals
  noMore(more)
  if (action === 'check') return await check(flags, values.offline ?? false, io)
  if (values.offline) throw new WrongUse('--offline belongs to config check')
  if (action === 'print') return print(flags, values.json ?? false, io)
  const page = Object.hasOwn(pages, action ?? '') ? pages[action ?? ''] : undefined
  if (page === undefined) {
    throw new WrongUse(
      `expected check, print, docs, limits or metrics after config${action === undefined ? '' : `, not ${action}`}`,
    )
  }
  io.out(page())
  return 0
}

async function check(argv: string[], isOffline: boolean, io: Io): Promise<number> {
  const input = { argv, env: io.env }
  let config
  try {
    config = loadConfig(input)
  } catch (error) {
    if (!isCode(error, 'invalid')) throw error
    io.err(`${error.message}\n`)
    return 1
  }
  const onThisMachine: Checks = [
    ['config', checkConfig],
    ['secrets', checkSecrets(input)],
  ]
  const checks = isOffline ? onThisMachine : [...onThisMachine, ...startingNeeds]
  let isFit = true
  for await (const { check: name, state, says, advice } of look(config, checks, io.signal)) {
    if (notForStarting.has(name) || (state !== 'fail' && state !== 'warn')) continue
    isFit &&= state !== 'fail'
    const about = name === 'config' ? '' : `${name}: `
    const line = `${state === 'warn' ? 'warning: ' : ''}${about}${says}${advice === null ? '' : `; ${advice}`}`
    io.err(`${printable(redact(line))}\n`)
  }
  if (!isFit) return 1
  io.out(isOffline ? complete : `${complete.trim()}, and what starting needs is there\n`)
  return 0
}

const complete = 'the configuration is complete\n'

type Checks = [name: string, check: Check][]

/** A node starts without its NATS and its Kubo, so these are left to `anchorage doctor`. */
const startingNeeds: Checks = [
  ['disk', checkDisk],
  ['ports', checkPorts],
  ['certificates', checkCertificates],
  ['postgres', checkPostgres],
]

/** Findings of these checks that keep no node from starting. */
const notForStarting: ReadonlySet<string> = new Set(['postgres settings', 'postgres files', 'clock'])

function print(argv: string[], asJson: boolean, io: Io): number {
  const resolved = resolveConfig({ argv, env: io.env })
  if (asJson)
    io.out(json(Object.fromEntries(resolved.map(({ key, shown, from }) => [key, { value: shown, from }]))))
  else
    io.out(
      table(
        ['OPTION', 'VALUE', 'FROM'],
        resolved.map(({ key, shown, from }) => [key, shown ?? '', from]),
      ),
    )
  return 0
}
