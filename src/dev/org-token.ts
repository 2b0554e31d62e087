import { run } from '../process/run.ts'
import type { DataDir } from './data-dir.ts'
import { mainFile } from './node.ts'
import { AnchorageError } from '../core/errors.ts'

export const devOrg = 'dev'

/** The token of the org `dev`: made once for a database, together with the org, and kept in DIR. */
export async function devToken(
  dir: DataDir,
  database: string,
  configFile: string,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const kept = dir.state.token
  if (kept?.database === database) return kept.value
  const admin = (...args: string[]) =>
    run(process.execPath, [mainFile, 'admin', ...args, '--config', configFile], { env, limitMs: 60_000 })
  // The org exists already if an earlier run got no further than this. If it could not be made, minting the token reports that.
  const org = await admin('create-org', devOrg).catch((error: unknown) => String(error))
  const scopes = 'pins:read,pins:write,pins:delete'
  try {
    const said = await admin(
      'mint-token',
      '--org',
      devOrg,
      '--scopes',
      scopes,
      '--ttl',
      '3650d',
      '--name',
      'dev',
      '--json',
    )
    const { token }: { token: string } = JSON.parse(said)
    dir.state.token = { value: token, database }
  } catch (cause) {
    throw new AnchorageError('unavailable', `could not make a token for the org "${devOrg}" (${org})`, {
      cause,
    })
  }
  await dir.save()
  return dir.state.token.value
}
