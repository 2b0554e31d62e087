import { strict as assert } from 'node:assert'
import { execFile } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { findTool } from '../../src/tools/find-tool.ts'
import { kubo } from '../../src/tools/kubo.ts'
import { natsServer } from '../../src/tools/nats-server.ts'
import { ownEnvironment } from '../../testing/world/dev-env.ts'
import { patience } from '../../testing/patience.ts'

const run = promisify(execFile)
const main = join(import.meta.dirname, '../../src/cli/main.ts')

/** The replacement for a text of a page, or for every match of a pattern. */
export type StandIn = readonly [from: string | RegExp, to: string]

/** In tests the servers have no users of their own. */
const sudo = `#!/bin/sh
if [ "$1" = -u ]; then shift 2; fi
exec env "$@"
`

/** In tests there are no such users either, so this only checks that the file exists. */
const chown = `#!/bin/sh
[ "$1" = anchorage ] || { echo "no user $1" >&2; exit 1; }
shift
exec ls "$@" >/dev/null
`

/** `anchor-2:PATH` is the path on machine 2. MACHINES is the folder with one folder for each machine, when they do not share a disk. */
const scp = `#!/bin/sh -eu
for to; do :; done
host=\${to%%:*}; path=\${to#*:}
if [ -n "\${MACHINES:-}" ]; then path=$(echo "$path" | sed "s|$MACHINES/[^/]*|$MACHINES/$host|"); fi
while [ $# -gt 1 ]; do cp "$1" "$path"; shift; done
`

/**
 * Fills `bin` with the programs that pages use: `anchorage`, `ipfs`, `nats-server`, `sudo`, `chown`, `scp`, and the given `systemctl`,
 * a script.
 */
export async function makePrograms(bin: string, systemctl: string): Promise<void> {
  await mkdir(bin, { recursive: true })
  const found = { env: process.env, say: () => {} }
  const ipfs = await findTool(kubo(), { ...found, configured: process.env['KUBO_BINARY'] })
  const nats = await findTool(natsServer(), { ...found, configured: process.env['NATS_SERVER_BINARY'] })
  const programs = {
    anchorage: `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`,
    ipfs: `#!/bin/sh\nexec '${ipfs.path}' "$@"\n`,
    'nats-server': `#!/bin/sh\nexec '${nats.path}' "$@"\n`,
    sudo,
    chown,
    scp,
    systemctl,
  }
  for (const [name, text] of Object.entries(programs)) {
    await writeFile(join(bin, name), text)
    await chmod(join(bin, name), 0o755)
  }
}

/** `text` with all replacements made; no text may be left that the reader would have to fill in. */
export function playedBy(text: string, standIns: readonly StandIn[]): string {
  const played = standIns.reduce((left, [from, to]) => left.replaceAll(from, to), text)
  assert.doesNotMatch(
    played,
    /…|CHOOSE|example\.com|\binternal\/|(?<![\w.-])\/(?:etc|var\/lib|var\/backups)\//,
    'every part that the reader fills in has a replacement',
  )
  return played
}

/** Runs `text` in a shell that ends at the first failing command; resolves with its standard output. */
export async function runText(
  text: string,
  shell: { bin: string; dir: string; env: Record<string, string | undefined>; standIns: readonly StandIn[] },
): Promise<string> {
  const { stdout } = await run(
    '/bin/bash',
    ['--norc', '-euo', 'pipefail', '-c', playedBy(text, shell.standIns)],
    {
      cwd: shell.dir,
      timeout: patience.longMs,
      env: {
        ...ownEnvironment(),
        PATH: [shell.bin, process.env['PATH']].join(delimiter),
        HOME: shell.dir,
        IPFS_TELEMETRY: 'off',
        ...shell.env,
      },
    },
  )
  return stdout
}
