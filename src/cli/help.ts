import type { Command, CommandUnknownOpts, OptionValues } from '@commander-js/extra-typings'
import type { Column } from './table.ts'

/** The parts of a help text that arguments and options do not give. */
export interface Help {
  /** What the verb does. */
  about: string
  /** Commands as they are typed, without `anchorage`. */
  examples: readonly string[]
  /** Words and what they mean, under a title. */
  terms?: Readonly<Record<string, readonly (readonly [word: string, means: string])[]>>
  /** The columns of the table that it prints. */
  columns?: readonly Column[]
  /** The JSON that `--json` prints. */
  json?: string
  /** Further paragraphs. */
  notes?: string
}

/** Lines are at most this wide, so that they are easy to read. */
const widest = 100

/** The help of a verb as text; `columns` is how wide the terminal is. */
export function helpOf(command: CommandUnknownOpts, columns: number | null, colours: boolean): string {
  let text = ''
  const helpWidth = Math.min(columns ?? widest, widest)
  command.configureHelp({
    helpWidth,
    groupItems: optionsFirst,
    styleTitle: (title) => (colours ? `\u001b[1m${title}\u001b[22m` : title),
  })
  command.configureOutput({
    writeOut: (piece) => (text += piece),
    getOutHelpWidth: () => helpWidth,
    getOutHasColors: () => colours,
  })
  command.outputHelp()
  return `${text.trim()}\n`
}

/** Adds these parts to a command. */
export function withHelp<Args extends unknown[], Opts extends OptionValues>(
  command: Command<Args, Opts>,
  help: Help,
): Command<Args, Opts> {
  return command.description(prose(help.about)).addHelpText('after', page(help))
}

/**
 * Joins the lines of each paragraph, so that they are wrapped to the width of the terminal. An empty line ends a paragraph, and a line
 * that begins with a blank is kept.
 */
function prose(text: string): string {
  return text.trim().replace(/(\S)\n(?=\S)/g, '$1 ')
}

/** The parts below the options. */
function page({ examples, terms = {}, columns = [], json, notes }: Help) {
  return ({ command }: { command: CommandUnknownOpts }): string => {
    const helper = command.createHelp()
    const width = helper.helpWidth ?? widest
    const title = (text: string): string => `\n${helper.styleTitle(text)}\n`
    const list = (rows: readonly (readonly [string, string])[]): string => {
      const wide = Math.max(...rows.map(([word]) => word.length))
      return rows.map(([word, means]) => `${helper.formatItem(word, wide, means, helper)}\n`).join('')
    }
    const paragraphs = (text: string): string => `${helper.boxWrap(prose(text), width)}\n`
    const explained = columns.flatMap(({ head, means }) =>
      means === undefined ? [] : [[head, means] as const],
    )
    return [
      ...Object.entries(terms).map(([heading, rows]) => title(`${heading}:`) + list(rows)),
      explained.length === 0 ? '' : title('Columns:') + list(explained),
      json === undefined ? '' : title('JSON:') + indented(helper.boxWrap(prose(json), width - 2)),
      notes === undefined ? '' : `\n${paragraphs(notes)}`,
      title('Examples:') + examples.map((line) => `  anchorage ${line}\n`).join(''),
    ].join('')
  }
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}\n`)
    .join('')
}

/** Puts a verb's own options before the global ones. */
function optionsFirst<T>(_all: T[], visible: T[], groupOf: (item: T) => string): Map<string, T[]> {
  const groups = Map.groupBy(visible, groupOf)
  const isOwn = ([name]: [string, T[]]): boolean => name === 'Options:'
  return new Map([...groups].toSorted((a, b) => Number(isOwn(b)) - Number(isOwn(a))))
}
