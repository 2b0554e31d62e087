// The Debian packages that a kind of test needs.
import { spawnSync } from 'node:child_process'

/**
 * Installs the packages of `needed` (keyed by the command that each package has) whose command is missing, and prints which; returns
 * false when that fails.
 */
export function debianPackages(needed) {
  const absent = Object.keys(needed).filter((name) => spawnSync('which', [name]).status !== 0)
  const packages = [...new Set(absent.map((name) => needed[name]))]
  if (packages.length === 0) return true
  console.log(`installing Debian packages: ${packages.join(' ')}`)
  const options = {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  }
  const apt = (...args) => spawnSync('apt-get', ['-qq', ...args], options).status === 0
  return apt('update') && apt('install', '-y', '--no-install-recommends', ...packages)
}
