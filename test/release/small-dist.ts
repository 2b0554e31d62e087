import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Fills `dir` with the files that `npm run build:packages` leaves in `dist`, except that each package is a line of text: its name,
 * version and architecture, as `textReader` reads it.
 */
export function smallDist(dir: string, version = '1.2.3'): void {
  mkdirSync(join(dir, 'image'), { recursive: true })
  const write = (name: string, text: string) => writeFileSync(join(dir, name), text)
  for (const [arch, other] of [
    ['amd64', 'x86_64'],
    ['arm64', 'aarch64'],
  ] as const) {
    write(`anchorage_${version}_${arch}.deb`, `anchorage ${version} ${arch}`)
    write(`anchorage-${version}-1.${other}.rpm`, `anchorage ${version}-1 ${other}`)
    write(`anchorage_${version}-r0_${other}.apk`, `anchorage ${version}-r0 ${other}`)
    write(`anchorage_${version}_linux_${arch}.tar.gz`, `the program for ${arch}`)
  }
  write(`anchorage_${version}_sbom.cdx.json`, '{"bomFormat":"CycloneDX"}')
  writeSums(dir)
  write('SHA256SUMS.sig', 'signed')
}

/** Writes SHA256SUMS again. */
export function writeSums(dir: string): void {
  const names = readdirSync(dir).filter((name) => name.startsWith('anchorage'))
  const line = (name: string) =>
    `${createHash('sha256')
      .update(readFileSync(join(dir, name)))
      .digest('hex')}  ${name}\n`
  writeFileSync(join(dir, 'SHA256SUMS'), names.sort().map(line).join(''))
}
