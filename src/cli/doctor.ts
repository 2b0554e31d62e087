import { loadConfig, type ConfigInput } from '../config/config.ts'
import { redact } from '../app/redact.ts'
import { isCode } from '../core/errors.ts'
import { configInput, withConfig } from './config-arguments.ts'
import { checkCertificates } from './doctor/certificates.ts'
import { checkConfig, checkSecrets } from './doctor/config.ts'
import { checkDisk } from './doctor/disk.ts'
import { fail, type Check, type Finding } from './doctor/finding.ts'
import { checkKubo } from './doctor/kubo.ts'
import { look } from './doctor/look.ts'
import { checkNats } from './doctor/nats.ts'
import { checkNode } from './doctor/node.ts'
import { checkPorts } from './doctor/ports.ts'
import { checkPostgres } from './doctor/postgres.ts'
import { stateIn } from './paint.ts'
import { json, printable } from './print.ts'
import { verb, type Io } from './verb.ts'

/** Runs all checks, and shows each finding as soon as there is one. */
export const command = verb(
  {
    about: `Checks everything that a node with this configuration needs, and says what is wrong and how to fix it: the configuration
and its secrets, disk and ports of this machine, certificates, Postgres, NATS and Kubo. It changes nothing. Run it before the first
start, while the node runs, or after the node died. Run it as the user that runs anchorage serve, because it checks the rights of
that user. The exit code is 1 if any check is FAIL.`,
    terms: {
      States: [
        ['ok', 'as it should be'],
        ['warn', 'works, but should be changed'],
        ['FAIL', 'does not work, or is not safe'],
        ['skip', 'was not checked; the line says why'],
      ],
    },
    json: '{"ok":…,"findings":[{"check","state","says","advice"},…]}.',
    examples: ['doctor --config /etc/anchorage/anchorage.yaml'],
  },
  (bare) => withConfig(bare),
  async (_args, _options, io) => {
    const found: Finding[] = []
    for await (const finding of findings(configInput(io), io.signal)) {
      const shown = { ...finding, says: redact(finding.says) }
      found.push(shown)
      if (!io.json) io.out(lines(shown, io))
    }
    const isWell = found.every(({ state }) => state !== 'fail')
    if (io.json) io.out(json({ ok: isWell, findings: found }))
    return isWell ? 0 : 1
  },
)

async function* findings(input: ConfigInput, signal: AbortSignal): AsyncIterable<Finding> {
  let config
  try {
    config = loadConfig(input)
  } catch (error) {
    if (!isCode(error, 'invalid')) throw error
    // No other check can run: the option that cannot be read may be the one that says where to look.
    yield* error.message.split('\n').map((problem) => fail('config', problem, null))
    return
  }
  const checks: [name: string, check: Check][] = [
    ['config', checkConfig],
    ['secrets', checkSecrets(input)],
    ['node', checkNode],
    ['disk', checkDisk],
    ['ports', checkPorts],
    ['certificates', checkCertificates],
    ['postgres', checkPostgres],
    ['nats', checkNats],
    ['kubo', checkKubo],
  ]
  yield* look(config, checks, signal)
}

const labels = { ok: 'ok  ', warn: 'warn', fail: 'FAIL', skip: 'skip' }
const checkWidth = 19

function lines({ check, state, says, advice }: Finding, { paint }: Io): string {
  const line = `${stateIn(paint, labels[state])}  ${check.padEnd(checkWidth)}  ${printable(says)}\n`
  return advice === null ? line : `${line}${' '.repeat(checkWidth + 8)}→ ${printable(advice)}\n`
}
