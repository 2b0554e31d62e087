import { maxCidBytes } from '../core/cid.ts'
import { maxLooked, maxOriginLength, maxOrigins } from '../core/origin.ts'
import { maxReplicas } from '../core/replicas.ts'
import { loginMs } from '../core/sessions.ts'
import { longestMs } from '../core/tokens.ts'
import { defaultLimits as http } from '../http/limits.ts'
import { addressesPerSite, mistakesPerAnonymous, sharePerSite, waitingPerOrg } from '../http/rate-limits.ts'
import * as schema from '../http/spec/schema.ts'
import { lookUpsAtOnce } from '../ipfs/origin-names.ts'
import { maxAddresses, maxDnsaddrDepth, maxLookUps } from '../ipfs/origin-policy.ts'
import { maxPageBytes, smallPageBytes } from '../store/list-pins.ts'
import { fewPins, waitingLists } from '../store/list-turns.ts'
import { roleSettings } from '../store/role-settings.ts'
import { deadMs, dialMs, lanes } from '../workers/dialler.ts'
import { maxPerOrg } from '../workers/origin-turns.ts'
import type { ConfigKey } from '../config/keys.ts'
import { options } from '../config/options.ts'

/** One bound: what is bounded, at how much, what happens beyond, and how to change it. */
type Bound = [what: string, most: string, beyond: string, change: string]

const fixed = 'fixed'
const cutOff = 'the connection is closed'

/** Every limit that a user of the service can meet, taken from the constants and options that set it. */
const bounds: Record<string, Bound[]> = {
  'Anybody: connections and requests': [
    by('connections at a time', 'http.maxConnections', `${cutOff} at once, without an answer`),
    ['request line and headers', bytes(http.maxHeadBytes), '431', fixed],
    ['from the first byte of a request to the end of its head', time(http.headTimeoutMs), '408', fixed],
    ['the same, to the end of its body', time(http.requestTimeoutMs), '408', fixed],
    ['bytes of a body', bytes(http.maxBodyBytes), '413', fixed],
    [
      'of a body that goes on after its refusal',
      `${bytes(http.maxUnreadBytes)}, ${time(http.unreadGraceMs)}`,
      cutOff,
      fixed,
    ],
    ['for the client to have read an answer', time(http.answerTimeoutMs), cutOff, fixed],
    ['a connection without a request', time(http.keepAliveMs), cutOff, fixed],
  ],
  'Anybody: requests a minute': [
    by('requests to sign in from one address', 'rateLimits.signInPerAddress', '429'),
    by('requests without an access token from one address', 'rateLimits.anonymousPerAddress', '429'),
    [
      'requests without an access token from one network (a /48 of IPv6)',
      `${addressesPerSite} addresses' worth, at most ${sharePerSite * 100} % of what all have`,
      '429',
      'with the two beside it',
    ],
    by('requests without an access token from all together', 'rateLimits.anonymous', '429'),
    [
      'requests that are not authorized (a wrong token, say), or of an identity provider',
      `${mistakesPerAnonymous} times those without a token`,
      '429',
      'with these',
    ],
    by('requests of one caller', 'rateLimits.perCaller', '429'),
    by('requests of one org', 'rateLimits.perOrg', '429'),
  ],
  'An org: requests at a time, at each node': [
    by('requests of one org at a time', 'rateLimits.atOncePerOrg', 'it waits for its turn'),
    ['requests that wait so', number(waitingPerOrg), '429', fixed],
    by(
      'lists of one org at a time; filtered lists of one org at a time: half of it',
      'database.listsPerOrg',
      'it waits for its turn',
    ),
    [
      `large pages at a time, of one org and of all: of more than ${fewPins} pins or ${bytes(smallPageBytes)}`,
      '1',
      'it waits for its turn; orgs take turns',
      fixed,
    ],
    ['lists that wait so', number(waitingLists), '429', fixed],
    [
      'what Postgres may take for one statement',
      seconds(roleSettings.anchorage_tenant['statement_timeout']),
      '503',
      fixed,
    ],
  ],
  'What a pin may say': [
    ['a CID', `${number(schema.maxCidLength)} characters, and ${maxCidBytes} bytes`, '400', fixed],
    ['characters of a name, also in a filter', number(schema.maxNameLength), '400', fixed],
    ['keys of the meta of a pin', number(schema.maxMetaKeys), '400', fixed],
    by('bytes of the meta of a pin', 'pin.maxMeta', '400'),
    [
      'origins of a pin that are kept',
      `${maxOrigins}, of the first ${maxLooked}`,
      'the rest is passed over; `info` says so',
      fixed,
    ],
    ['origins of a pin that are sent', number(schema.maxOriginsSent), '400', fixed],
    ['characters of an origin', number(maxOriginLength), '400', fixed],
    ['replicas of a pin', number(maxReplicas), '400', fixed],
  ],
  'What a list may ask': [
    ['CIDs of a filter', number(schema.maxCids), '400', fixed],
    ['pairs of a `meta` filter', number(schema.maxMetaPairs), '400', fixed],
    ['pins of a page', number(schema.maxPage), '400', fixed],
    ['bytes of a page', bytes(maxPageBytes), 'the page ends before; `count` is of all', fixed],
  ],
  'What an org may have': [
    by('pins of one org', 'orgs.maxPins', '409 `INSUFFICIENT_FUNDS`', '`admin set-org --max-pins`'),
    by('bytes of one org', 'orgs.maxBytes', '409, or `failed` with `too_big`', '`admin set-org --max-bytes`'),
    ['replicas of one org', 'none', '409 `INSUFFICIENT_FUNDS`', '`admin set-org --max-replicas`'],
    ['pins made ahead of the clock', '10 minutes: an org makes one a millisecond', '429', fixed],
    by('living access tokens of one org', 'tokens.maxPerOrg', '409 `INSUFFICIENT_FUNDS`'),
    ['how long an access token lives', days(longestMs), '400', fixed],
  ],
  'How a pin is fetched': [
    by(
      'pins that a node works on at a time; orgs have fair shares',
      'pin.concurrency',
      'it waits for its turn',
    ),
    by('without a new block', 'pin.stallTimeout', 'its place is freed, and it is tried again later'),
    by('until it stands', 'pin.maxAge', '`failed`, with the reason'),
    [
      'origins of one org that are dialled for an attempt',
      number(maxPerOrg),
      'the rest is passed over',
      fixed,
    ],
    [
      'origins of an attempt that are dialled at a time',
      number(lanes),
      'it waits for its turn; orgs take turns',
      fixed,
    ],
    [
      'a dial',
      `${time(dialMs)}, and less where there are many`,
      `it is left alone for ${time(deadMs)}`,
      fixed,
    ],
    ['look-ups in DNS for one origin', number(maxLookUps), 'further names lead nowhere', fixed],
    ['levels of `dnsaddr` in `dnsaddr`', number(maxDnsaddrDepth), 'further names lead nowhere', fixed],
    ['addresses of one origin', number(maxAddresses), 'the rest is passed over', fixed],
    ['look-ups in DNS of a node at a time', number(lookUpsAtOnce), 'it waits for its turn', fixed],
  ],
  People: [
    ['a login at the provider', time(loginMs), 'it has to begin anew', fixed],
    by('a session that is not used', 'session.idleTimeout', '401'),
    by('a session in all', 'session.maxAge', '401'),
  ],
}

/** `docs/limits.md`. */
export function limitsDocs(): string {
  const parts = Object.entries(bounds).map(([title, rows]) => {
    const lines = rows.map((row) => `| ${row.join(' | ')} |\n`)
    return `## ${title}\n\n| What | At most | Beyond it | How to change it |\n| --- | --- | --- | --- |\n${lines.join('')}`
  })
  return `# Limits

<!-- Made by \`anchorage config limits\`; a test holds it against the code. -->

Every bound that somebody who uses the service can meet. A number in \`code\` is the default of an option; options: [config.md](config.md).
A 429 and a 503 say in \`Retry-After\` when to come again. Which org met which limit is in the log at \`info\`, one line an org, limit and minute,
by the words in the first column.

${parts.join('\n')}`
}

/** A bound that an option sets. */
function by(what: string, key: ConfigKey, beyond: string, instead?: string): Bound {
  const { fallbackShown } = options[key]
  return [
    what,
    fallbackShown === '' ? 'none' : fallbackShown,
    beyond,
    `\`${key}\`${instead === undefined ? '' : `, ${instead}`}`,
  ]
}

function number(value: number): string {
  return value.toLocaleString('en-US')
}

function bytes(value: number): string {
  return value >= 1 << 20 ? `${value / (1 << 20)} MiB` : `${value / 1024} KiB`
}

function time(ms: number): string {
  return ms >= 180_000 ? `${ms / 60_000} min` : `${ms / 1000} s`
}

function days(ms: number): string {
  return `${number(Math.floor(ms / 86_400_000))} days`
}

/** A time in Postgres' notation, such as `5s`, with a space before its unit. */
function seconds(text: string | undefined): string {
  return (text ?? '').replace(/s$/, ' s')
}
