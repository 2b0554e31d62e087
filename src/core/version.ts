import manifest from '../../package.json' with { type: 'json' }

/** This program's version. */
export const version = manifest.version

/** Whether `version` is at least `wanted`. A pre-release is less than the release of the same number. */
export function isAtLeast(version: string, wanted: string): boolean {
  const [have, want] = [numbersOf(version), numbersOf(wanted)]
  const differ = have.findIndex((number, index) => number !== want[index])
  if (differ >= 0) return (have[differ] ?? 0) > (want[differ] ?? 0)
  return !version.includes('-') || wanted.includes('-')
}

function numbersOf(version: string): number[] {
  const [release = ''] = version.split('-')
  const [major = 0, minor = 0, patch = 0] = release.split('.').map(Number)
  return [major, minor, patch]
}
