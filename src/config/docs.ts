import { configKeys, flagOf, variableOf } from './keys.ts'
import { options } from './options.ts'

/** `docs/config.md`: every option, from the table that the program itself uses. */
export function configDocs(): string {
  const rows = configKeys.map((key) => {
    const { kind, help, fallbackShown } = options[key]
    return `| \`${key}\` | ${kind.name} | ${fallbackShown} | ${help} |\n`
  })
  const example = 'pin.maxAge'
  return `# Options

<!-- Made by \`anchorage config docs\`; a test compares it with the code. -->

Each option can be given in three ways; a later one wins over an earlier one:

1. in the YAML file that \`--config FILE\` or \`ANCHORAGE_CONFIG\` names, nested: \`pin: { maxAge: 6h }\`;
2. in the environment: \`${variableOf(example)}=6h\`;
3. as a flag: \`--${flagOf(example)} 6h\`. Secrets and URLs with a password cannot be flags, since every user of the machine can read those.

Durations are written \`500ms\`, \`90s\`, \`30m\`, \`2h\` or \`7d\`, sizes \`4096\`, \`64KiB\` or \`10GiB\`. An unknown key, variable
(other than \`ANCHORAGE_URL\`, \`ANCHORAGE_TOKEN\` and \`ANCHORAGE_CONFIG\`) or flag is an error. \`anchorage config check\` tells
whether a node would start with these options, and \`anchorage config print\` shows where each value comes from.

| Option | Type | Default | Meaning |
| --- | --- | --- | --- |
${rows.join('')}`
}
