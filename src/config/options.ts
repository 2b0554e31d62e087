import { hostname } from 'node:os'
import { maxPinsOfOrg } from '../core/org.ts'
import { maxReplicas } from '../core/replicas.ts'
import { defaultLimits } from '../http/http-limits.ts'
import { leastAuditMonths } from '../store/audit.ts'
import {
  address,
  duration,
  durationUpTo,
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
  zone,
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
    'The name of this node, unique in the cluster. Never change it: Postgres records the content of this ' +
      "node's Kubo under this name.",
    () => hostname(),
    'the host name',
  ),
  'node.zone': optional(
    zone,
    'The place that this node shares its failures with, such as a data centre. Copies of a content go to ' +
      'different zones while there are enough. Without it, the node is in a zone with all other nodes that have none.',
  ),
  'node.announce': option(
    list,
    "Multiaddrs at which others reach this node's Kubo, each ending in /p2p/…; empty: the addresses that " +
      'Kubo reports.',
    () => '',
    'none',
  ),
  'data.dir': withDefault(
    path,
    './data',
    "The directory for this node's own files: those of its nats-server, an id that tells this machine from others, and " +
      'what it has seen of the database, by which it notices that the database went back in time. No two nodes may share it.',
  ),
  'http.listen': withDefault(address, '127.0.0.1:8080', 'The address on which the API listens.'),
  'http.stopDelay': withDefault(
    durationUpTo(60_000, '1m'),
    '5s',
    'A node that stops serves on for this long, with `/v1/ready` 503, before it closes its port: as long as ' +
      'load balancers take to notice that.',
  ),
  'http.publicUrl': optional(
    origin,
    'The origin at which browsers reach the service, such as https://pins.example.com. People can log in ' +
      'only there, or on loopback.',
  ),
  'http.hsts': optional(
    duration,
    'Tells browsers to use only TLS for this long, such as 365d (HSTS). Needs an http.publicUrl with ' +
      'https. Without it, no HSTS header is sent.',
  ),
  'http.maxConnections': withDefault(
    integer(1, 1_000_000),
    String(defaultLimits.maxConnections),
    'The maximum number of connections to this node. Further connections are closed at once, without an ' +
      'answer.',
  ),
  'http.trustProxy': option(
    networks,
    'Networks of the proxies in front of this node, as CIDRs. X-Forwarded-For is trusted only if one of them sends it.',
    () => '',
    'none',
  ),
  'rateLimits.signInPerAddress': withDefault(
    perMinute,
    '10',
    'Sign-in requests a minute from one client address, counted over all nodes.',
  ),
  'rateLimits.anonymousPerAddress': withDefault(
    perMinute,
    '60',
    'Requests a minute from one client address without an access token, at each node.',
  ),
  'rateLimits.anonymous': withDefault(
    perMinute,
    '120',
    'Requests a minute from all client addresses together without an access token, at each node. Sign-in ' +
      'requests have a limit of the same size of their own.',
  ),
  'rateLimits.perCaller': withDefault(
    perMinute,
    '60000',
    'Requests a minute with one access token, or from one person, at each node.',
  ),
  'rateLimits.perOrg': withDefault(
    perMinute,
    '120000',
    'Requests a minute of one org, with all of its tokens and people together, at each node.',
  ),
  'rateLimits.atOncePerOrg': withDefault(
    integer(1, 10_000),
    '64',
    'Requests of one org that a node handles at a time. Up to 1,000 more wait for their turn; further ' +
      'ones are refused.',
  ),
  'database.url': optional(
    secretUrl('postgres:', 'postgresql:'),
    'The login of the tenant role, which serves the requests of orgs.',
  ),
  'database.systemUrl': optional(
    secretUrl('postgres:', 'postgresql:'),
    "The login of the system role, for workers, token look-ups and operators' verbs.",
  ),
  'database.ownerUrl': optional(
    secretUrl('postgres:', 'postgresql:'),
    'The login of the owner, used only by `migrate`. It needs CREATEROLE, but not superuser.',
  ),
  'database.allowPlaintext': withDefault(
    flag,
    'false',
    'Allows an unencrypted connection to Postgres on another host, which exposes passwords and all rows. ' +
      'Without it a node refuses to start with such a URL.',
  ),
  'database.listsPerOrg': withDefault(
    integer(1, 1_000),
    '4',
    "Lists of one org's pins that a node reads from Postgres at a time; further ones wait. At most half " +
      'of them may filter by cid, name or meta.',
  ),
  'auth.masterKey': optional(
    secret,
    'The key that encrypts the keys that sign tokens: 32 bytes in base64, the same on all nodes.',
  ),
  'auth.masterKeyFile': optional(path, 'A file that holds the master key, instead of auth.masterKey.'),
  'audit.retain': optional(
    integer(leastAuditMonths, 1_200),
    'The number of months of the audit to keep besides the current one. Older months are deleted for ' +
      'good. Without it, all are kept.',
  ),
  'orgs.maxPins': optional(
    integer(0, maxPinsOfOrg),
    'The limit on pins of a new org, unless the request sets one. Without it, there is no limit.',
  ),
  'orgs.maxBytes': optional(
    size,
    "The limit on bytes of a new org's DAGs, unless the request sets one. Without it, there is no limit.",
  ),
  'tokens.maxPerOrg': withDefault(
    integer(1, 1_000_000),
    '1000',
    'The maximum number of valid access tokens of one org. Beyond it, no further token can be made.',
  ),
  'oidc.issuer': optional(
    issuer,
    'The issuer URL of the OpenID Connect provider at which people log in, exactly as the provider spells ' +
      'it. Without it, people cannot log in.',
  ),
  'oidc.clientId': optional(text, 'The client id of this service at the provider.'),
  'oidc.clientSecret': optional(
    secret,
    'The client secret of this service at the provider. Without it, the service is a public client.',
  ),
  'oidc.clientSecretFile': optional(
    path,
    'A file that holds the client secret, instead of oidc.clientSecret.',
  ),
  'oidc.clientAuthentication': withDefault(
    oneOf('client_secret_post', 'client_secret_basic'),
    'client_secret_post',
    'How to send the client secret to a provider that accepts both ways.',
  ),
  'oidc.scopes': withDefault(
    list,
    'openid,profile,email,groups',
    'The scopes to ask the provider for; `openid` must be among them.',
  ),
  'oidc.claims.name': withDefault(
    text,
    'name',
    "The claim with a person's name; `a.b` reads `b` inside `a`.",
  ),
  'oidc.claims.email': withDefault(
    text,
    'email',
    'The claim with the e-mail address. It is only shown; no right depends on it.',
  ),
  'oidc.claims.groups': withDefault(text, 'groups', 'The claim with the groups that a person is in.'),
  'oidc.groupPrefix': withDefault(
    text,
    'anchorage:',
    'Groups with this prefix give roles: `PREFIXSLUG:ROLE` gives a role in an org, `PREFIXoperators` ' +
      'makes an operator.',
  ),
  'oidc.groups': option(
    groupGrants,
    'Groups with other names that give roles, each written as GROUP=SLUG:ROLE or GROUP=operator.',
    () => '',
    'none',
  ),
  'session.idleTimeout': withDefault(duration, '12h', 'A login ends when it is not used for this long.'),
  'session.maxAge': withDefault(duration, '7d', 'A login ends after this long, even if it is in use.'),
  'nats.binary': optional(path, 'The nats-server to run. Without it, the node looks for one on the `PATH`.'),
  'nats.clientPort': withDefault(
    integer(0, 65535),
    '4222',
    'The port on loopback of the nats-server that this node runs.',
  ),
  'nats.url': optional(
    secretUrl('nats:', 'tls:'),
    'The URL of an outside NATS. With it, this node does not run a nats-server.',
  ),
  'nats.allowPlaintext': withDefault(
    flag,
    'false',
    'Allows an unencrypted connection to a nats.url on another host, which exposes the password and all ' +
      'hints. Without it a node refuses to start with such a URL.',
  ),
  'nats.restartAfter': withDefault(
    duration,
    '500ms',
    "How long to wait before this node's nats-server is started again after it died. The wait doubles " +
      'while it keeps dying; 0: never start it again.',
  ),
  'nats.cluster.listen': optional(
    address,
    "The address on which this node's nats-server accepts the other nodes' nats-servers, over TLS. " +
      "Without it, this node's nats-server runs alone.",
  ),
  'nats.cluster.announce': optional(
    address,
    'The address at which the other nodes reach nats.cluster.listen, if they cannot use that address ' +
      'itself.',
  ),
  'nats.cluster.members': withDefault(
    list,
    '',
    'The nats.cluster.announce of all nodes of the cluster. Without it, nodes find each other in Postgres.',
  ),
  'nats.cluster.caFile': optional(path, "The certificate of the cluster's CA, the same on all nodes."),
  'nats.cluster.certFile': optional(
    path,
    'The certificate of this node, signed by that CA for the announced host.',
  ),
  'nats.cluster.keyFile': optional(path, 'The private key of that certificate.'),
  'nats.cluster.secret': optional(
    secret,
    'The secret by which the nodes recognise each other, the same on all nodes.',
  ),
  'nats.cluster.secretFile': optional(
    path,
    'A file that holds that secret, instead of nats.cluster.secret; `anchorage admin init-cluster` makes all four files.',
  ),
  'kubo.rpc': withDefault(
    url('http:', 'https:'),
    'http://127.0.0.1:5001',
    "The RPC address of this node's Kubo.",
  ),
  'pin.concurrency': withDefault(integer(1, 1024), '32', 'Pins that this node works on at a time.'),
  'pin.replicas': withDefault(
    integer(1, maxReplicas),
    '1',
    'The number of copies of a content if neither its pin (`anchorage.replicas` in its meta) nor its ' +
      'org sets one; the same on all nodes.',
  ),
  'pin.stallTimeout': withDefault(
    duration,
    '2m',
    'A pin that receives no new block for this long stops, and is tried again later.',
  ),
  'pin.minRate': withDefault(
    size,
    '1KiB',
    'A pin that receives fewer bytes a second than this for ten minutes stops, and is tried again later; ' +
      '0: no minimum.',
  ),
  'pin.maxAge': withDefault(
    duration,
    '24h',
    'A pin that cannot be fetched for this long becomes `failed`, with the reason.',
  ),
  'pin.maxMeta': withDefault(
    sizeUpTo(128 << 10, '128KiB'),
    '16KiB',
    'The maximum size of the `meta` of one pin, keys and values together. A pin with more is refused.',
  ),
  'pin.allowPrivateOrigins': withDefault(
    flag,
    'false',
    'Also dial origins at private, loopback and link-local addresses.',
  ),
  'pin.resolveOrigins': withDefault(
    flag,
    'true',
    'Look up host names in origins. If false, origins with host names are refused.',
  ),
  'pin.backoffMin': withDefault(duration, '5s', 'The wait before the second attempt; it doubles from there.'),
  'pin.backoffMax': withDefault(duration, '10m', 'The longest wait between two attempts.'),
  'pin.unpinGrace': withDefault(
    duration,
    '10m',
    'Content that no pin wants any more stays pinned for this long. Content of orgs with a limit on bytes ' +
      'is removed at once.',
  ),
  'pin.pollInterval': withDefault(
    duration,
    '2s',
    'How often this node asks Postgres for its due work, in addition to the hints that it gets.',
  ),
  'cluster.leaseTtl': withDefault(
    duration,
    '10s',
    'How long leadership lasts unless it is renewed, and so how long a cluster is without a leader after ' +
      'one is lost. A leader survives stalls of nearly two thirds of this time.',
  ),
  'cluster.leaderTries': withDefault(
    integer(1, 1_000),
    '3',
    'After this many runs of its workers in a row that could not reach Postgres, a leader releases its lease, ' +
      'so that another node can lead.',
  ),
  'cluster.leaderPatience': withDefault(
    duration,
    '10s',
    'A leader also releases its lease when its workers have waited for Postgres this long.',
  ),
  'cluster.downGrace': withDefault(
    duration,
    '5m',
    'How long a node may be silent before its content is copied to other nodes.',
  ),
  'cluster.minReplicas': withDefault(
    integer(1, maxReplicas),
    '1',
    'Content with fewer copies on live nodes than this is copied at once, without waiting for cluster.downGrace.',
  ),
  'cluster.drainGracePeriod': withDefault(
    duration,
    '2m',
    'How long a node that starts to drain continues with its waiting pins.',
  ),
  'cluster.maintenance.maxDuration': withDefault(
    duration,
    '1h',
    'When maintenance without an end lasts longer than this, a warning is logged every minute.',
  ),
  'cluster.highWater': withDefault(
    integer(1, 100),
    '90',
    'A Kubo that is fuller than this, in percent of its limit, gets no new content.',
  ),
  'rebalance.movesInFlight': withDefault(
    integer(1, 4096),
    '64',
    'A plan starts no further move while this many copies are under way.',
  ),
  'rebalance.bytesInFlight': withDefault(
    size,
    '64GiB',
    'A plan starts no further move while this many bytes are under way.',
  ),
  'rebalance.tolerance': withDefault(
    integer(0, 100),
    '5',
    'A plan moves content only if a node is further than this from its fair share of the bytes, in ' +
      'percent.',
  ),
  'metrics.allow': withDefault(
    networks,
    '127.0.0.0/8,::1/128',
    'Networks that may read /metrics, as CIDRs. A request through a proxy is always refused.',
  ),
  'metrics.listen': optional(
    address,
    'A separate address for /metrics, such as 10.0.0.5:9090. With it, http.listen does not serve /metrics.',
  ),
  'tracing.endpoint': optional(
    url('http:', 'https:'),
    'The URL at which an OpenTelemetry collector accepts traces over OTLP/HTTP, such as ' +
      'http://127.0.0.1:4318/v1/traces. Without it, nothing is traced.',
  ),
  'tracing.percent': withDefault(
    integer(1, 100),
    '100',
    'The percentage of requests that are traced, each with all the work that it causes on any node.',
  ),
  'log.level': withDefault(
    oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'info',
    'The lowest level of log lines that are written.',
  ),
  'log.requests': withDefault(
    flag,
    'false',
    'Logs a line at `info` for each answered request, with its x-request-id, method, route, status, ' +
      'time, org and token.',
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
