import { maxCidBytes } from '../core/cid.ts'
import { maxLooked, maxOriginLength, maxOrigins } from '../core/origin.ts'
import { maxReplicas } from '../core/replicas.ts'
import { loginMs } from '../core/sessions.ts'
import { longestMs } from '../core/tokens.ts'
import { defaultLimits as http } from '../http/http-limits.ts'
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
  'Every client: connections and requests': [
    by('connections at a time', 'http.maxConnections', `${cutOff} at once, without an answer`),
    ['request line and headers together', bytes(http.maxHeadBytes), '431', fixed],
    ['time from the first byte of a request to the end of its head', time(http.headTimeoutMs), '408', fixed],
    [
      'time from the first byte of a request to the end of its body',
      time(http.requestTimeoutMs),
      '408',
      fixed,
    ],
    ['bytes of a body', bytes(http.maxBodyBytes), '413', fixed],
    [
      'rest of a body that the client still sends after a refusal',
      `${bytes(http.maxUnreadBytes)}, ${time(http.unreadGraceMs)}`,
      cutOff,
      fixed,
    ],
    ['time until the client has read an answer', time(http.answerTimeoutMs), cutOff, fixed],
    ['time that a connection without a request stays open', time(http.keepAliveMs), cutOff, fixed],
  ],
  'Every client: requests a minute': [
    by('requests to sign in from one address', 'rateLimits.signInPerAddress', '429'),
    by('requests without an access token from one address', 'rateLimits.anonymousPerAddress', '429'),
    [
      'requests without an access token from one network (a /48 of IPv6)',
      `${addressesPerSite} times the limit of one address, at most ${sharePerSite * 100} % of the limit ` +
        'of all together',
      '429',
      'with the limits of one address and of all together',
    ],
    by('requests without an access token from all together', 'rateLimits.anonymous', '429'),
    [
      'requests that are not authorized (such as with a wrong token), or of an identity provider',
      `${mistakesPerAnonymous} times the limits without a token`,
      '429',
      'with the limits without a token',
    ],
    by('requests of one caller', 'rateLimits.perCaller', '429'),
    by('requests of one org', 'rateLimits.perOrg', '429'),
  ],
  'An org: requests at a time, at each node': [
    by('requests of one org at a time', 'rateLimits.atOncePerOrg', 'further ones wait for their turn'),
    ['requests of one org that wait', number(waitingPerOrg), '429', fixed],
    by(
      'lists of one org at a time; filtered lists of one org at a time: half as many',
      'database.listsPerOrg',
      'further ones wait for their turn',
    ),
    [
      `large pages at a time, of one org and of all together: pages of more than ${fewPins} pins or ` +
        `${bytes(smallPageBytes)}`,
      '1',
      'further ones wait; orgs take turns',
      fixed,
    ],
    ['lists of one org that wait', number(waitingLists), '429', fixed],
    [
      'time of one statement in Postgres',
      seconds(roleSettings.anchorage_tenant['statement_timeout']),
      '503',
      fixed,
    ],
  ],
  'Fields of a pin': [
    ['a CID', `${number(schema.maxCidLength)} characters, and ${maxCidBytes} bytes`, '400', fixed],
    ['characters of a name, also in a filter', number(schema.maxNameLength), '400', fixed],
    ['keys of the meta of a pin', number(schema.maxMetaKeys), '400', fixed],
    by('bytes of the meta of a pin', 'pin.maxMeta', '400'),
    [
      'origins of a pin that are kept',
      `${maxOrigins}, of the first ${maxLooked}`,
      'further origins are ignored; `info` says so',
      fixed,
    ],
    ['origins of a pin that are sent', number(schema.maxOriginsSent), '400', fixed],
    ['characters of an origin', number(maxOriginLength), '400', fixed],
    ['replicas of a pin', number(maxReplicas), '400', fixed],
  ],
  'Filters and pages of a list': [
    ['CIDs of a filter', number(schema.maxCids), '400', fixed],
    ['pairs of a `meta` filter', number(schema.maxMetaPairs), '400', fixed],
    ['pins of a page', number(schema.maxPage), '400', fixed],
    ['bytes of a page', bytes(maxPageBytes), 'the page has fewer pins; `count` still counts all', fixed],
  ],
  'Limits of an org': [
    by('pins of one org', 'orgs.maxPins', '409 `INSUFFICIENT_FUNDS`', '`admin set-org --max-pins`'),
    by('bytes of one org', 'orgs.maxBytes', '409, or `failed` with `too_big`', '`admin set-org --max-bytes`'),
    ['replicas of one org', 'none', '409 `INSUFFICIENT_FUNDS`', '`admin set-org --max-replicas`'],
    ['pins made ahead of the clock', "10 minutes' worth: an org makes one a millisecond", '429', fixed],
    by('living access tokens of one org', 'tokens.maxPerOrg', '409 `INSUFFICIENT_FUNDS`'),
    ['lifetime of an access token', days(longestMs), '400', fixed],
  ],
  'Fetching a pin': [
    by(
      'pins that a node works on at a time; orgs get fair shares',
      'pin.concurrency',
      'further ones wait for their turn',
    ),
    by('time without a new block', 'pin.stallTimeout', 'the attempt ends, and the pin is tried again later'),
    by('time until it is pinned', 'pin.maxAge', '`failed`, with the reason'),
    [
      'origins of one org that are dialled in one attempt',
      number(maxPerOrg),
      'further ones are ignored',
      fixed,
    ],
    [
      'origins of one attempt that are dialled at a time',
      number(lanes),
      'further ones wait; orgs take turns',
      fixed,
    ],
    [
      'time of a dial',
      `${time(dialMs)}, and less if there are many origins`,
      `the origin is not dialled for ${time(deadMs)}`,
      fixed,
    ],
    ['DNS look-ups for one origin', number(maxLookUps), 'further names are ignored', fixed],
    ['levels of `dnsaddr` in `dnsaddr`', number(maxDnsaddrDepth), 'further names are ignored', fixed],
    ['addresses of one origin', number(maxAddresses), 'further ones are ignored', fixed],
    ['DNS look-ups of a node at a time', number(lookUpsAtOnce), 'further ones wait for their turn', fixed],
  ],
  People: [
    ['time for a login at the identity provider', time(loginMs), 'the person has to start again', fixed],
    by('time that a session may be unused', 'session.idleTimeout', '401'),
    by('time from the login to the end of a session', 'session.maxAge', '401'),
  ],
}

/** `docs/limits.md`. */
export function limitsDocs(): string {
  const parts = Object.entries(bounds).map(([title, rows]) => {
    const lines = rows.map((row) => `| ${row.join(' | ')} |\n`)
    return `## ${title}\n\n| What | At most | Beyond it | How to change it |\n| --- | --- | --- | --- |\n${lines.join('')}`
  })
  return `# Limits

<!-- Made by \`anchorage config limits\`; a test compares it with the code. -->

All limits that a user of the service can reach. A number in \`code\` is the default of an option; see [config.md](config.md).
A 429 and a 503 say in \`Retry-After\` when to try again. When an org reaches a limit, the log has a line at \`info\`: one for each org, limit and minute,
with the words in the first column.

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
