import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Arch } from './targets.ts'

const dockerfile = join(import.meta.dirname, '../deploy/docker/Dockerfile')

/** Writes the build context of the image to `image` below `out`: the Dockerfile, and the Alpine packages under the names that it uses. */
export async function imageContext(out: string, packages: ReadonlyMap<Arch, string>): Promise<void> {
  const context = join(out, 'image')
  await mkdir(context)
  await cp(dockerfile, join(context, 'Dockerfile'))
  for (const [arch, apk] of packages) await cp(apk, join(context, `anchorage-${arch}.apk`))
}
