import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Arch } from './targets.ts'

const dockerfile = join(import.meta.dirname, '../deploy/docker/Dockerfile')

/** Writes `image` below `out`, from which the image is built: the Dockerfile, and the Alpine packages by the names that it knows. */
export async function imageContext(out: string, packages: ReadonlyMap<Arch, string>): Promise<void> {
  const context = join(out, 'image')
  await mkdir(context)
  await cp(dockerfile, join(context, 'Dockerfile'))
  for (const [arch, apk] of packages) await cp(apk, join(context, `anchorage-${arch}.apk`))
}
