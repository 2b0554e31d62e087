import { hostname } from 'node:os'
import { maxPinsOfOrg } from '../core/org.ts'
import { maxReplicas } from '../core/replicas.ts'
import { defaultLimits } from '../http/limits.ts'
import { leastAuditMonths } from '../store/audit.ts'
import {
  address,
  duration,
  flag,
  integer,
  list,
  networks,
  oneOf,
  path,
  secret,
  secretUrl,
  size,
  sizeUpTo,
  text,
  url,
  type Kind,
} from './kinds.ts'
import { groupGrants, issuer, origin } from './login-kinds.ts'

/** One option: everything that help, docs, parsing and types need to know about it. */
export interface Option<T> {
  kind: Kind<T>
  help: string
  /** The default, as a user would write it. Without a default, the value is `undefined` until it is given. */
  fallback: (() => string) | undefined
  /** The default as the docs show it. */
  fallbackShown: string
}

const perMinute = integer(1, 1_000_000_000)

/** Every option there is, once. The `Config` type, the parser, `--help`, and `docs/config.md` all come from here. */
export const options = {
  'node.name': option(
    text,
    "Which node of the cluster this is; keep it: placements, and the Kubo they lie in, are the name's.",
    () => hostname(),
    "the host's name",
  ),
  'node.announce': option(
    list,
    "Multiaddrs, each ending in /p2p/…, at which others reach this node's Kubo; empty: what Kubo itself says.",
    () => '',
    'none',
  ),
  'data.dir': withDefault(path, './data', "This node's own files: what its nats-server keeps."),
  'http.listen': withDefault(address, '127.0.0.1:8080', 'Where the API listens.'),
  'http.publicUrl': optional(
    origin,
    'Where browsers reach the service, such as https://pins.example.com; people log in only there, or on loopback.',
  ),
  'http.hsts': optional(
    duration,
    'Tells browsers to come over TLS alone for this long, such as 365d; needs an http.publicUrl of https. Without it nothing is said.',
  ),
  'http.maxConnections': withDefault(
    integer(1, 1_000_000),
    String(defaultLimits.maxConnections),
    'Connections to this node at a time; those beyond are closed at once, without an answer.',
  ),
  'http.trustProxy': option(
    networks,
    'Networks of the proxies in front of this node, as CIDRs: what these say in X-Forwarded-For is believed, and nobody else.',
    () => '',
    'none',
  ),
  'rateLimits.signInPerAddress': withDefault(
    perMinute,
    '10',
    'Requests a minute of one client address to sign in; counted over all nodes.',
  ),
  'rateLimits.anonymousPerAddress': withDefault(
    perMinute,
    '60',
    'Requests a minute of one client address without an access token, at each node.',
  ),
  'rateLimits.anonymous': withDefault(
    perMinute,
    '120',
    'The same of all client addresses together; signing in has as many of its own.',
  ),
  'rateLimits.perCaller': withDefault(
    perMinute,
    '60000',
    'Requests a minute with one access token, or of one person, at each node.',
  ),
  'rateLimits.perOrg': withDefault(
    perMinute,
    '120000',
    'Requests a minute of one org, with whatever tokens and by whatever people, at each node.',
  ),
  'rateLimits.atOncePerOrg': withDefault(
    integer(1, 10_000),
    '64',
    'Requests of one org that a node works on at a time; more wait for their turn, beyond 1,000 they are refused.',
  ),
  'database.url': optional(
    secretUrl('postgres:', 'postgresql:'),
    "The tenant role's login: all that serves an org's request.",
  ),
  'database.systemUrl': optional(
    secretUrl('postgres:', 'postgresql:'),
    "The system role's login: workers, token look-up, operators' verbs.",
  ),
  'database.ownerUrl': optional(
    secretUrl('postgres:', 'postgresql:'),
    "The owner's login, used by `migrate` only; needs CREATEROLE, not superuser.",
  ),
  'database.allowPlaintext': withDefault(
    flag,
    'false',
    "Let these logins' passwords, and all rows, travel unencrypted to another host; refused otherwise.",
  ),
  'database.listsPerOrg': withDefault(
    integer(1, 1_000),
    '4',
    'Lists of pins of one org that a node asks Postgres for at a time, half of them by cid, name or meta; more wait.',
  ),
  'auth.masterKey': optional(
    secret,
    'Wraps the keys that sign tokens: 32 bytes in base64, the same on all nodes.',
  ),
  'auth.masterKeyFile': optional(path, 'A file that holds the master key, instead of auth.masterKey.'),
  'audit.retain': optional(
    integer(leastAuditMonths, 1_200),
    'Whole months of the audit that are kept beside the present one; older ones are dropped for good. Without it all are kept.',
  ),
  'orgs.maxPins': optional(
    integer(0, maxPinsOfOrg),
    'How many pins an org may have that is made without saying so; without it as many as there is room for.',
  ),
  'orgs.maxBytes': optional(size, 'The same of the bytes of the DAGs of its pins.'),
  'tokens.maxPerOrg': withDefault(
    integer(1, 1_000_000),
    '1000',
    'How many access tokens of one org may be alive at a time; beyond, none is made.',
  ),
  'oidc.issuer': optional(
    issuer,
    'The OpenID Connect provider at which people log in, exactly as it spells itself; without it nobody does.',
  ),
  'oidc.clientId': optional(text, 'What this service is called at the provider.'),
  'oidc.clientSecret': optional(secret, 'How it proves that there; without one it is a public client.'),
  'oidc.clientSecretFile': optional(path, 'A file that holds that secret, instead of oidc.clientSecret.'),
  'oidc.clientAuthentication': withDefault(
    oneOf('client_secret_post', 'client_secret_basic'),
    'client_secret_post',
    'How the secret is shown to a provider that takes both.',
  ),
  'oidc.scopes': withDefault(
    list,
    'openid,profile,email,groups',
    'What the provider is asked to tell of a person; `openid` must be there.',
  ),
  'oidc.claims.name': withDefault(text, 'name', "The claim with a person's name; `a.b` looks inside of `a`."),
  'oidc.claims.email': withDefault(
    text,
    'email',
    'The claim with the e-mail address; it is shown, and decides nothing.',
  ),
  'oidc.claims.groups': withDefault(text, 'groups', 'The claim with the groups that a person is in.'),
  'oidc.groupPrefix': withDefault(
    text,
    'anchorage:',
    'Groups that begin so give roles: `PREFIXSLUG:ROLE` one in an org, `PREFIXoperators` that of an operator.',
  ),
  'oidc.groups': option(
    groupGrants,
    'Groups by other names that give roles, each as GROUP=SLUG:ROLE or GROUP=operator.',
    () => '',
    'none',
  ),
  'session.idleTimeout': withDefault(duration, '12h', 'A login that is not used for this long is over.'),
  'session.maxAge': withDefault(duration, '7d', 'A login is over after this long, however much it is used.'),
  'nats.binary': optional(
    path,
    'The nats-server to run. Without this option, the node looks for one on the `PATH`.',
  ),
  'nats.clientPort': withDefault(
    integer(0, 65535),
    '4222',
    'The loopback port of the nats-server that this node runs.',
  ),
  'nats.url': optional(
    secretUrl('nats:', 'tls:'),
    'An outside NATS to use; then this node runs no nats-server.',
  ),
  'nats.allowPlaintext': withDefault(
    flag,
    'false',
    "Let nats.url's password, and all hints, travel unencrypted to another host; refused otherwise.",
  ),
  'nats.restartAfter': withDefault(
    duration,
    '500ms',
    'The wait before a nats-server of this node that died is started again; doubled while it keeps dying, 0 never.',
  ),
  'nats.cluster.listen': optional(
    address,
    "Where the other nodes' nats-servers come in, over TLS; without it this node's nats-server stands alone.",
  ),
  'nats.cluster.announce': optional(
    address,
    'Where the other nodes reach nats.cluster.listen, when that is not an address that they can use.',
  ),
  'nats.cluster.members': withDefault(
    list,
    '',
    'All nodes of the cluster by their nats.cluster.announce; without it they find one another in Postgres.',
  ),
  'nats.cluster.caFile': optional(path, "The certificate of the cluster's CA, the same on all nodes."),
  'nats.cluster.certFile': optional(
    path,
    "This node's certificate, which that CA has signed for the announced host.",
  ),
  'nats.cluster.keyFile': optional(path, 'The private key of that certificate.'),
  'nats.cluster.secret': optional(secret, 'What the nodes prove to one another, the same on all nodes.'),
  'nats.cluster.secretFile': optional(
    path,
    'A file that holds that secret, instead of nats.cluster.secret; `anchorage admin init-cluster` makes all four files.',
  ),
  'kubo.rpc': withDefault(
    url('http:', 'https:'),
    'http://127.0.0.1:5001',
    "This node's Kubo: its RPC address.",
  ),
  'pin.concurrency': withDefault(integer(1, 1024), '32', 'Pins that this node works on at a time.'),
  'pin.replicas': withDefault(
    integer(1, maxReplicas),
    '1',
    'On how many nodes content stands when neither its pin (`anchorage.replicas` in its meta) nor its org says; the same on all nodes.',
  ),
  'pin.stallTimeout': withDefault(
    duration,
    '2m',
    'A pin that received no new block for this long frees its place and is tried again later.',
  ),
  'pin.minRate': withDefault(size, '1KiB', 'So does one that gets less a second for ten minutes; 0: none.'),
  'pin.maxAge': withDefault(
    duration,
    '24h',
    'A pin that could not be fetched for this long is `failed`, with its reason.',
  ),
  'pin.maxMeta': withDefault(
    sizeUpTo(128 << 10, '128KiB'),
    '16KiB',
    'How much the `meta` of one pin may be, keys and values together; a pin with more is refused.',
  ),
  'pin.allowPrivateOrigins': withDefault(
    flag,
    'false',
    'Also dial origins at private, loopback and link-local addresses.',
  ),
  'pin.resolveOrigins': withDefault(
    flag,
    'true',
    'Look up the names in origins; without it, origins that are names are refused.',
  ),
  'pin.backoffMin': withDefault(duration, '5s', 'The wait before the second attempt; it doubles from there.'),
  'pin.backoffMax': withDefault(duration, '10m', 'The longest wait between two attempts.'),
  'pin.unpinGrace': withDefault(
    duration,
    '10m',
    'Content that nobody wants any more stays pinned for this long, but for orgs whose bytes are limited.',
  ),
  'pin.pollInterval': withDefault(
    duration,
    '2s',
    'How often this node asks Postgres for its due work, beside the hints it gets.',
  ),
  'cluster.leaseTtl': withDefault(
    duration,
    '10s',
    'How long leadership lasts unless renewed; so also how long a lost leader is missed. A leader survives stalls of nearly two thirds of it.',
  ),
  'cluster.downGrace': withDefault(
    duration,
    '5m',
    'How long a node may be silent before its content is copied to others.',
  ),
  'cluster.minReplicas': withDefault(
    integer(1, maxReplicas),
    '1',
    'Content with fewer copies on live nodes than this is copied at once, without waiting for cluster.downGrace.',
  ),
  'cluster.drainGracePeriod': withDefault(
    duration,
    '2m',
    'How long a node that starts to drain goes on with the pins that wait for it.',
  ),
  'cluster.maintenance.maxDuration': withDefault(
    duration,
    '1h',
    'Maintenance that has no end of its own and lasts longer than this is warned of, every minute.',
  ),
  'cluster.highWater': withDefault(
    integer(1, 100),
    '90',
    'How full a Kubo may be, in percent of its limit, and still get new content.',
  ),
  'rebalance.movesInFlight': withDefault(
    integer(1, 4096),
    '64',
    'Copies under way beyond which a plan begins no more moves.',
  ),
  'rebalance.bytesInFlight': withDefault(
    size,
    '64GiB',
    'Bytes under way beyond which a plan begins no more moves.',
  ),
  'rebalance.tolerance': withDefault(
    integer(0, 100),
    '5',
    'How far from its fair share of the bytes a node may be, in percent, before a plan moves anything.',
  ),
  'metrics.allow': withDefault(
    networks,
    '127.0.0.0/8,::1/128',
    'Networks, as CIDRs, from whose addresses /metrics is read; a request that a proxy passed on is refused wherever it comes from.',
  ),
  'metrics.listen': optional(
    address,
    'A listener of its own for /metrics, such as 10.0.0.5:9090; then http.listen does not serve it.',
  ),
  'tracing.endpoint': optional(
    url('http:', 'https:'),
    'Where an OpenTelemetry collector takes traces over OTLP/HTTP, such as http://127.0.0.1:4318/v1/traces; without it nothing is traced.',
  ),
  'tracing.percent': withDefault(
    integer(1, 100),
    '100',
    'How many requests in a hundred are traced, each with all that it causes on any node.',
  ),
  'log.level': withDefault(
    oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'info',
    'The least important lines that are still logged.',
  ),
  'log.requests': withDefault(
    flag,
    'false',
    'A line at `info` for each answered request: its x-request-id, method, route, status, time, org and token.',
  ),
}

function option<T>(kind: Kind<T>, help: string, fallback: () => string, fallbackShown: string): Option<T> {
  return { kind, help, fallback, fallbackShown }
}

function withDefault<T>(kind: Kind<T>, fallback: string, help: string): Option<T> {
  return { kind, help, fallback: () => fallback, fallbackShown: `\`${fallback}\`` }
}

function optional<T>(kind: Kind<T>, help: string): Option<T | undefined> {
  return { kind, help, fallback: undefined, fallbackShown: '' }
}
