import type { Artifact } from './artifacts.ts'
import { imageTags, placeOf } from './destinations.ts'
import type { Target } from './gitea.ts'

/** One upload of a release. */
export interface Step {
  file: string
  /** Bytes; null for an image, which is built while it is pushed. */
  size: number | null
  /** A URL, or an image's full name. */
  to: string
}

/** All uploads of a release of `version`, in no particular order. */
export function plan(version: string, artifacts: Artifact[], target: Target, image: boolean): Step[] {
  const { url, owner, repository } = target
  const release = `${url}/${owner}/${repository}/releases/tag/v${version}`
  const files = artifacts.flatMap(({ name, size }) => [
    { file: name, size, to: release },
    { file: name, size, to: `${url}/api/packages/${owner}/${placeOf(name, version).path}` },
  ])
  const host = url.replace(/^https?:\/\//, '')
  const images = imageTags(owner, version).map((tag) => ({ file: 'image', size: null, to: `${host}/${tag}` }))
  return image ? [...files, ...images] : files
}

/** The plan as a table, for people. */
export function planTable(steps: Step[]): string {
  const width = Math.max(...steps.map(({ file }) => file.length))
  const lines = steps.map(({ file, size, to }) => {
    const megabytes = size === null ? '' : `${(size / 1e6).toFixed(1)} MB`
    return `${file.padEnd(width)}  ${megabytes.padStart(9)}  → ${to}`
  })
  return lines.join('\n')
}
