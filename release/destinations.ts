/** Where in a package registry a file goes, in the words of Gitea's API. */
export interface Place {
  type: 'debian' | 'rpm' | 'alpine' | 'generic'
  /** The version as the registry will list it: each kind of package writes it in its own way. */
  version: string
  /** The path below `/api/packages/OWNER/` that takes the file. */
  path: string
}

export const packageName = 'anchorage'

/** Where people look for a version: `testing` for pre-releases, so that nobody gets one by an upgrade. */
export function channelOf(version: string): 'stable' | 'testing' {
  return version.includes('-') ? 'testing' : 'stable'
}

/**
 * Where in the package registry the file `name` of release `version` goes: packages to the registry of their kind, all else to the
 * generic one. Architectures are told from a package's inside, by the registry.
 */
export function placeOf(name: string, version: string): Place {
  const channel = channelOf(version)
  const deb = /^anchorage_(.+)_[a-z0-9]+\.deb$/.exec(name)?.[1]
  if (deb !== undefined) return { type: 'debian', version: deb, path: `debian/pool/${channel}/main/upload` }
  const rpm = /^anchorage-(.+)\.[a-z0-9_]+\.rpm$/.exec(name)?.[1]
  if (rpm !== undefined) return { type: 'rpm', version: rpm, path: `rpm/${channel}/upload` }
  const apk = /^anchorage[_-](.+)[_.](?:x86_64|aarch64)\.apk$/.exec(name)?.[1]
  if (apk !== undefined) return { type: 'alpine', version: apk, path: `alpine/${channel}/main` }
  return { type: 'generic', version, path: `generic/${packageName}/${version}/${name}` }
}

/** The image's names, without the registry's host: its version, and for a stable one `latest`. */
export function imageTags(owner: string, version: string): string[] {
  const repository = `${owner.toLowerCase()}/${packageName}`
  const tags = channelOf(version) === 'stable' ? [version, 'latest'] : [version]
  return tags.map((tag) => `${repository}:${tag}`)
}
