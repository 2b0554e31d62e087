/** The place of a file in a package registry, in the words of Gitea's API. */
export interface Place {
  type: 'debian' | 'rpm' | 'alpine' | 'generic'
  /** The version as the registry lists it, in the format of this kind of package. */
  version: string
  /** The path below `/api/packages/OWNER/` that takes the file. */
  path: string
}

export const packageName = 'anchorage'

/** The channel of a version: `testing` for pre-releases, so that an upgrade never installs one. */
export function channelOf(version: string): 'stable' | 'testing' {
  return version.includes('-') ? 'testing' : 'stable'
}

/**
 * The place in the package registry for the file `name` of release `version`: packages go to the registry of their kind, all other
 * files to the generic one. The registry reads the architecture from the package itself.
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

/** The image's names, without the registry's host: one for its version, and `latest` for a stable version. */
export function imageTags(owner: string, version: string): string[] {
  const repository = `${owner.toLowerCase()}/${packageName}`
  const tags = channelOf(version) === 'stable' ? [version, 'latest'] : [version]
  return tags.map((tag) => `${repository}:${tag}`)
}
