/** The architectures that packages are made for, by Debian's and Go's names. */
export const arches = ['amd64', 'arm64'] as const
export type Arch = (typeof arches)[number]

export const formats = ['deb', 'rpm', 'apk', 'tar.gz'] as const
export type Format = (typeof formats)[number]

/** A folder that holds everything that goes into the packages of one architecture. */
export interface Staged {
  dir: string
  arch: Arch
  version: string
  /** The modification time of every packed file, in seconds. */
  epoch: number
}
