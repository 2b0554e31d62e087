/** What packages are made for, by the name that Debian and Go have for it. */
export const arches = ['amd64', 'arm64'] as const
export type Arch = (typeof arches)[number]

export const formats = ['deb', 'rpm', 'apk', 'tar.gz'] as const
export type Format = (typeof formats)[number]

/** A folder that holds everything that goes into the packages of one architecture. */
export interface Staged {
  dir: string
  arch: Arch
  version: string
  /** Seconds: the time that every packed file bears. */
  epoch: number
}
