import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Reads the name, version and architecture from a package of the kind `type`, separated by spaces; throws when it is not a package. */
export type PackageReader = (type: string, body: Buffer) => string

/** Reads the packages that `smallDist` makes. */
export const textReader: PackageReader = (_, body) => {
  const text = body.toString()
  if (!/^anchorage \S+ \S+$/.test(text)) throw new Error(`no package: ${text}`)
  return text
}

/** Reads real packages with the tools of their distributions; it keeps one at a time in `scratch`. */
export function toolReader(scratch: string): PackageReader {
  const file = join(scratch, 'package')
  const tell = (command: string, ...args: string[]) =>
    execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  return (type, body) => {
    writeFileSync(file, body)
    if (type === 'debian')
      return tell('dpkg-deb', '--show', '--showformat', '${Package} ${Version} ${Architecture}', file)
    if (type === 'rpm')
      return tell('rpm', '--nosignature', '-qp', '--qf', '%{NAME} %{VERSION}-%{RELEASE} %{ARCH}', file)
    const info = tell('tar', '-xzOf', file, '.PKGINFO')
    const fields = ['pkgname', 'pkgver', 'arch'].map(
      (field) => new RegExp(`^${field} = (.+)$`, 'm').exec(info)?.[1],
    )
    return fields.join(' ')
  }
}
