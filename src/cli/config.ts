import { resolveConfig, loadConfig, type ConfigInput } from '../config/config.ts'
import { configDocs } from '../config/docs.ts'
import { limitsDocs } from '../app/limits-docs.ts'
import { isCode } from '../core/errors.ts'
import { metricsDocs } from '../metrics/docs.ts'
import { wordArgument } from './arguments.ts'
import { configInput, withConfig } from './config-arguments.ts'
import { tableOf } from './display.ts'
import { checkCertificates } from './doctor/certificates.ts'
import { checkConfig, checkSecrets } from './doctor/config.ts'
import { checkDisk } from './doctor/disk.ts'
import type { Check } from './doctor/finding.ts'
import { masterKeyCheck } from './doctor/identity.ts'
import { look } from './doctor/look.ts'
import { checkPorts } from './doctor/ports.ts'
import { checkPostgres } from './doctor/postgres.ts'
import { json, printable } from './print.ts'
import { tellFailure, tellWarning } from './report.ts'
import type { Column } from './table.ts'
import { verb, WrongUse, type Io } from './verb.ts'

const pages = { docs: configDocs, limits: limitsDocs, metrics: metricsDocs }

const actions = ['check', 'print', 'docs', 'limits', 'metrics'] as const

const columns: readonly Column[] = [
  { head: 'OPTION', rank: 1 },
  { head: 'VALUE', rank: 1, least: 12 },
  { head: 'FROM', rank: 2, least: 12 },
]

/**
 * `config check` and `config print`, and the pages that are generated from the code: `config docs`, `config limits` and `config
 * metrics`.
 */
export const command = verb(
  {
    about: 'Checks or prints the options, or prints a reference page.',
    terms: {
      Actions: [
        [
          'check',
          'check whether anchorage serve can start with this configuration: the options and the files that they name, the data directory, ports, and Postgres with its logins and schema. The exit code is 1 if serve cannot start. Run it as the user that runs serve. anchorage doctor also checks NATS, Kubo and the rest',
        ],
        ['print', 'show every option, its value and the source of the value (secrets as ***)'],
        ['docs', 'print the table of all options, as in docs/config.md'],
        ['limits', 'print every limit that a user of the service can reach, as in docs/limits.md'],
        ['metrics', 'print every metric family of a node, as in docs/metrics.md'],
      ],
    },
    json: 'check: {"ok","offline"}; print: {OPTION: {"value","from"}}; the others: {"markdown"}.',
    examples: ['config check --config anchorage.yaml', 'config print --json'],
  },
  (bare) =>
    withConfig(
      bare
        .addArgument(wordArgument('<ACTION>', 'the action', actions, 'config'))
        .option('--offline', 'with check: check only the options and their files'),
    ),
  async ([action], { offline = false }, io) => {
    if (action === 'check') return await check(configInput(io), offline, io)
    if (offline) throw new WrongUse('--offline belongs to config check')
    if (action === 'print') return print(configInput(io), io)
    const markdown = pages[action]()
    io.out(io.json ? json({ markdown }) : markdown)
  },
)

async function check(input: ConfigInput, isOffline: boolean, io: Io): Promise<number> {
  let config
  try {
    config = loadConfig(input)
  } catch (error) {
    if (!isCode(error, 'invalid')) throw error
    await tellFailure(io, 'invalid', error.message)
    return 1
  }
  const onThisMachine: Checks = [
    ['config', checkConfig],
    ['secrets', checkSecrets(input)],
  ]
  const checks = isOffline ? onThisMachine : [...onThisMachine, ...startingNeeds]
  let isFit = true
  for await (const { check: name, state, says, advice } of look(config, checks, io.signal)) {
    const isUntold = state === 'skip' && name === masterKeyCheck
    if (notForStarting.has(name) || (state !== 'fail' && state !== 'warn' && !isUntold)) continue
    isFit &&= state !== 'fail'
    const about = name === 'config' ? '' : `${name}: `
    const line = `${about}${says}${advice === null ? '' : `; ${advice}`}`
    if (state === 'fail') await tellFailure(io, 'invalid', printable(line))
    else tellWarning(io, printable(line))
  }
  if (!isFit) return 1
  if (io.json) io.out(json({ ok: true, offline: isOffline }))
  else io.out(isOffline ? complete : `${complete.trim()}, and the node can start\n`)
  return 0
}

const complete = 'the configuration is complete\n'

type Checks = [name: string, check: Check][]

/** Checks of what a node needs to start. It starts without its NATS and its Kubo, so `anchorage doctor` checks those. */
const startingNeeds: Checks = [
  ['disk', checkDisk],
  ['ports', checkPorts],
  ['certificates', checkCertificates],
  ['postgres', checkPostgres],
]

/** A failure of these checks does not keep a node from starting. */
const notForStarting: ReadonlySet<string> = new Set(['postgres settings', 'postgres files', 'clock'])

function print(input: ConfigInput, io: Io): number {
  const resolved = resolveConfig(input)
  if (io.json) {
    io.out(json(Object.fromEntries(resolved.map(({ key, shown, from }) => [key, { value: shown, from }]))))
    return 0
  }
  const rows = resolved.map(({ key, shown, from }) => [key, shown ?? '', from])
  const { text, notes = [] } = tableOf(columns, rows, io)
  io.out(text)
  for (const note of notes) io.err(`${note}\n`)
  return 0
}
