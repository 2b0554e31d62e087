import { configKeys, flagOf, variableOf } from '../src/config/keys.ts'
import { options } from '../src/config/options.ts'
import { globalOptionLines } from '../src/cli/global-options.ts'
import type { KnownVerb } from '../src/cli/completion/words.ts'

/** The version and the date (in seconds) of a page. */
export interface Edition {
  version: string
  epoch: number
}

/** anchorage(1): every command with its `--help` text. */
export function commandPage(verbs: readonly KnownVerb[], edition: Edition): string {
  const parts = verbs.map(
    ({ name, summary, help }) =>
      `.SS anchorage ${plain(name)}\n${line(summary)}\n.PP\n.nf\n${lines(withoutShared(help))}\n.fi\n`,
  )
  return `${heading('ANCHORAGE', 1, edition)}
.SH NAME
anchorage \\- a self\\-hosted, multi\\-tenant IPFS pinning service
.SH SYNOPSIS
.B anchorage
.I VERB
.RI [ OPTION ...]
.SH DESCRIPTION
anchorage serves the IPFS Pinning Services API for many tenants, on one machine or many.
Postgres keeps what should be, NATS carries hints, and Kubo keeps the content.
.SH OPTIONS
Each can be given before or after the command.
.PP
.nf
${lines(globalOptionLines())}.fi
.SH COMMANDS
${parts.join('')}.SH EXIT STATUS
0 after success, 1 after a failure, 2 after wrong use or a wrong configuration.
.SH FILES
.TP
.I /etc/anchorage/anchorage.yaml
The configuration of this node, unless \\-\\-config or ANCHORAGE_CONFIG names another.
.TP
.I /var/lib/anchorage
The data of its nats\\-server. All of it can be made again from Postgres.
.SH SEE ALSO
.BR anchorage\\-config (5)
`
}

/** Removes the global options, which the page shows once. */
function withoutShared(help: string): string {
  return help.replace(/\nOptions of every verb:\n(?: .*(?:\n|$))+/, '')
}

/** anchorage-config(5): every option. */
export function configPage(edition: Edition): string {
  const entries = configKeys.map((key) => {
    const { kind, help, fallbackShown } = options[key]
    const fallback =
      fallbackShown === '' ? '' : `\nThe default is ${plain(fallbackShown.replaceAll('`', ''))}.`
    return `.TP
.BR ${plain(key)} " (${plain(kind.name)})"
${line(help.replaceAll('`', ''))}${fallback}
.br
${plain(variableOf(key))}${kind.mayHide ? '' : `, ${plain(`--${flagOf(key)}`)}`}
`
  })
  return `${heading('ANCHORAGE\\-CONFIG', 5, edition)}
.SH NAME
anchorage\\-config \\- the options of anchorage
.SH DESCRIPTION
Each option can be given in the YAML file /etc/anchorage/anchorage.yaml, with its name as written here, or nested;
as a variable in the environment; and as a flag, unless it may hold a secret. A later one of these wins over an earlier one.
.PP
Durations are written 500ms, 90s, 30m, 2h or 7d, sizes 4096, 64KiB or 10GiB.
.SH OPTIONS
${entries.join('')}.SH SEE ALSO
.BR anchorage (1)
`
}

function heading(title: string, section: number, { version, epoch }: Edition): string {
  const day = new Date(epoch * 1000).toISOString().slice(0, 10)
  return `.\\" Made from the program's own tables.
.TH ${title} ${section} ${day} "anchorage ${plain(version)}"`
}

/** Escapes everything that has a meaning in roff (groff_char(7)). */
function plain(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('…', '...')
    .replaceAll('"', '\\(dq')
}

/** Like `plain`, and escapes a dot at the beginning, which would be a request. */
function line(text: string): string {
  return plain(text).replace(/^\./, '\\&.')
}

function lines(text: string): string {
  return text.split('\n').map(line).join('\n')
}
