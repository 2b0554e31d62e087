import { stat } from 'node:fs/promises'
import { configProblems } from '../../config/problems.ts'
import { resolveConfig, type Config, type ConfigInput } from '../../config/config.ts'
import { fromFlags } from '../../config/sources.ts'
import { Secret } from '../../config/secret.ts'
import { fail, ok, warn, type Check, type Finding } from './finding.ts'
import { silentLog } from '../../core/silent-log.ts'

/** Whether `anchorage serve` would accept the config. */
export const checkConfig: Check = async ({ config }) => {
  const problems = await configProblems(config, silentLog)
  if (problems.length === 0) return [ok('config', 'complete')]
  return problems.map((problem) => fail('config', problem, null))
}

/** Whether only this service can read the files with secrets. `input` is where the config came from. */
export function checkSecrets(input: ConfigInput): Check {
  return async ({ config }) => {
    const files = secretFiles(config, secretConfigFile(input))
    const found = await Promise.all(files.map(openToAll))
    const open = found.filter((finding) => finding !== null)
    if (files.length === 0 || open.length > 0) return open
    const which = files.length === 1 ? 'the file' : `the ${files.length} files`
    return [ok('secrets', `other users cannot read ${which} with secrets`)]
  }
}

/** The YAML file, when it contains a secret. */
function secretConfigFile(input: ConfigInput): string | undefined {
  const file = fromFlags(input.argv ?? []).file ?? input.env['ANCHORAGE_CONFIG']
  const inFile = resolveConfig(input).filter(({ from }) => from.startsWith(`${file}: `))
  return inFile.some(({ value }) => value instanceof Secret && value.hides) ? file : undefined
}

function secretFiles({ auth, oidc, nats }: Config, configFile: string | undefined): string[] {
  const { secretFile, keyFile } = nats.cluster
  const all = [configFile, auth.masterKeyFile, oidc.clientSecretFile, secretFile, keyFile]
  return all.filter((file) => file !== undefined)
}

/** Null also for a file that cannot be looked at: the config check reports that. */
async function openToAll(file: string): Promise<Finding | null> {
  const mode = (await stat(file).catch(() => null))?.mode ?? 0
  if ((mode & 0o007) === 0) return null
  return warn('secrets', `every user of this machine has access to ${file}`, `run: chmod o-rwx ${file}`)
}
