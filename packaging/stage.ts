import { chmod, cp, lutimes, mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { ToolContext } from '../src/tools/tool.ts'
import { natsServer, node } from './runtimes.ts'
import type { Arch, Staged } from './targets.ts'

/** The contents that are the same for every architecture. */
export interface Contents {
  /** The folder with the bundled program. */
  program: string
  /** Generated files by their path: manual pages, completions, the config file, … */
  made: ReadonlyMap<string, string>
  version: string
  /** The modification time of every packed file, in seconds. */
  epoch: number
}

/** Lays out in `dir` the files that the packages of `arch` are made from; packaging/nfpm.yaml says which file goes where. */
export async function stage(
  { program, made, version, epoch }: Contents,
  arch: Arch,
  dir: string,
  context: ToolContext,
): Promise<Staged> {
  const bin = join(dir, 'lib/bin')
  await cp(program, join(dir, 'lib'), { recursive: true, verbatimSymlinks: true })
  await mkdir(bin)
  await cp(join(import.meta.dirname, 'anchorage.sh'), join(bin, 'anchorage'))
  await cp(join(import.meta.dirname, 'kubo-init.sh'), join(bin, 'kubo-init'))
  await cp(join(await natsServer(arch, context), 'nats-server'), join(bin, 'nats-server'))
  await cp(join(await node(arch, context), 'bin/node'), join(dir, 'node'))
  for (const name of await readdir(bin)) await chmod(join(bin, name), 0o755)
  for (const path of ['systemd', 'scripts', 'sysusers.conf'])
    await cp(join(import.meta.dirname, path), join(dir, path), { recursive: true })
  for (const [path, text] of made) {
    await mkdir(dirname(join(dir, path)), { recursive: true })
    await writeFile(join(dir, path), path.endsWith('.gz') ? gzipSync(text, { level: 9 }) : text)
  }
  await ofAge(dir, epoch)
  return { dir, arch, version, epoch }
}

/** Gives everything below `dir` the same modification time: that of the checkout would differ from build to build. */
async function ofAge(dir: string, epoch: number): Promise<void> {
  for (const entry of await readdir(dir, { recursive: true })) await lutimes(join(dir, entry), epoch, epoch)
}
