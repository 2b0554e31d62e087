import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { kept } from '../../packaging/kept.ts'
import type { Installed } from './serves-a-pin.ts'

const run = promisify(execFile)

/** A minimal Debian 12 with systemd's tools, in a folder; it shares this machine's network. */
export interface DebianRoot extends AsyncDisposable {
  path: string
  /** Runs a shell script in it as root; rejects when it fails. */
  sh(script: string): Promise<string>
  /** Runs a shell script in it as root, and returns its exit code and output. */
  outcome(script: string): Promise<{ code: number; said: string }>
  /** Starts a program in it as `user`, in a process group of its own, because unshare does not pass signals on. */
  start(user: string, command: readonly string[]): ChildProcess
  /** Copies a file of this machine into its /tmp, and returns the path there. */
  give(file: string): Promise<string>
}

/** A fresh copy of the root that debootstrap made once for this user. */
export async function debianRoot(): Promise<DebianRoot> {
  const context = { env: process.env, say: () => undefined, signal: AbortSignal.timeout(15 * 60_000) }
  const origin = await kept('debian-12', context, async (dir) => {
    await run('debootstrap', ['--variant=minbase', '--include=systemd', 'bookworm', join(dir, 'root')], {
      maxBuffer: 64 * 1024 * 1024,
    })
    await rm(join(dir, 'root/var/cache/apt/archives'), { recursive: true })
  })
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-debian-'))
  const path = join(dir, 'root')
  await run('cp', ['-a', '--reflink=auto', join(origin, 'root'), path])
  const sh = async (script: string): Promise<string> => {
    const { stdout, stderr } = await run('unshare', [...inside(path), 'sh', '-ec', script])
    return stdout + stderr
  }
  return {
    path,
    sh,
    outcome: (script) =>
      sh(script).then(
        (said) => ({ code: 0, said }),
        (error: { code: number; stdout: string; stderr: string }) => ({
          code: error.code,
          said: error.stdout + error.stderr,
        }),
      ),
    start: (user, command) =>
      spawn('unshare', [...inside(path, `--userspec=${user}`), ...command], {
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    give: async (file) => {
      await cp(file, join(path, 'tmp', basename(file)))
      return `/tmp/${basename(file)}`
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  }
}

/** Arguments of unshare that run a program in it. /proc and /dev are mounted for that process alone, and all its children end with it. */
function inside(root: string, ...chroot: string[]): string[] {
  const script = `mount -t proc proc ${root}/proc && mount --rbind /dev ${root}/dev && exec chroot "$@"`
  const own = ['--mount', '--pid', '--fork', '--kill-child=SIGTERM']
  return [...own, 'sh', '-ec', script, 'sh', ...chroot, root, 'env', '-i', `PATH=${path}`, 'LC_ALL=C.UTF-8']
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The package installed in `root`: its config is appended to, and the node runs as its own user. */
export function installedIn(root: DebianRoot): Installed {
  return {
    async configure(options) {
      const own = { 'auth.masterKeyFile': '/etc/anchorage/master.key' }
      const lines = Object.entries({ ...own, ...options }).map(([key, value]) => `${key}: ${value}\n`)
      await writeFile(join(root.path, 'etc/anchorage/anchorage.yaml'), lines.join(''), { flag: 'a' })
      await writeFile(join(root.path, 'etc/anchorage/master.key'), randomBytes(32).toString('base64'))
      await root.sh('chgrp anchorage /etc/anchorage/master.key && chmod 640 /etc/anchorage/master.key')
      await root.sh('install -d -o anchorage -g anchorage -m 700 /var/lib/anchorage')
    },
    run: (args, env = {}) => {
      const given = Object.entries(env).map(([name, value]) => `${name}='${value}'`)
      return root.sh([...given, 'anchorage', ...args].join(' '))
    },
    serve: () => root.start('anchorage:anchorage', ['anchorage', 'serve']),
  }
}
