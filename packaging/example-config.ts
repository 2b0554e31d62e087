import { configKeys } from '../src/config/keys.ts'
import { options } from '../src/config/options.ts'

/** The options that a packaged node needs, and those that the package sets. */
const first: Record<string, string> = {
  'data.dir': 'data.dir: /var/lib/anchorage',
  'database.url': '# database.url: postgres://anchorage_tenant:PASSWORD@HOST/anchorage',
  'database.systemUrl': '# database.systemUrl: postgres://anchorage_system:PASSWORD@HOST/anchorage',
  'auth.masterKeyFile': '# auth.masterKeyFile: /etc/anchorage/master.key',
}

/** `/etc/anchorage/anchorage.yaml` as it is installed: every option with its purpose and its default, in comments. */
export function exampleConfig(): string {
  const more = configKeys.filter((key) => !Object.hasOwn(first, key))
  return `# The configuration of this node; see anchorage-config(5). "anchorage config check" tells whether the node starts with it.
# This file holds passwords: only root and the group anchorage may read it.

# A node needs these options. Choose the passwords of the roles: "anchorage migrate up" makes the roles with them.

${Object.entries(first)
  .map(([key, line]) => commented(key, line))
  .join('\n')}
# All other options, with their defaults.

${more.map((key) => commented(key, `# ${key}: ${defaultOf(key)}`.trimEnd())).join('\n')}`
}

function commented(key: string, line: string): string {
  const option = Object.entries(options).find(([name]) => name === key)?.[1]
  return `# ${option?.help ?? ''}\n${line}\n`
}

/** The default as YAML; empty when the option has no default that can be written. */
function defaultOf(key: keyof typeof options): string {
  const text = /^`(.*)`$/.exec(options[key].fallbackShown)?.[1] ?? ''
  // `anchorage:` would be a key without a value.
  return text.endsWith(':') ? JSON.stringify(text) : text
}
