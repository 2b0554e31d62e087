import { putGreeting } from '../dev/kubo.ts'
import { startDev, type DevCluster } from '../dev/runtime.ts'
import { aborted } from '../process/aborted.ts'
import { json } from './print.ts'
import { verb, WrongUse } from './verb.ts'

/** Each node is three processes; more nodes than this are of no use on one machine. */
const maxNodes = 16
const twoNodes =
  'warning: of two nodes neither can lead or take hints without the other: use one, or at least three, to survive the loss of one'

/** Runs the embedded runtime until the process is told to stop. */
export const command = verb(
  {
    about: `Runs nodes with everything they need on this machine: one Postgres, an identity provider, for each node a nats-server and a
Kubo, an org and a token. No server speaks to anything but loopback. Ctrl-C stops it all; what was pinned is there again at the next
start.`,
    json: '{"url","org","token","envFile","nodes"} once all is ready.',
    notes: `DIR/dev.env, made when all is ready, is for a shell to source: addresses, logins, token, process ids. Node i has the
variables …_i. SIGUSR2 to DEV_PID starts again at once whatever is down, also with --restart-after 0.
DATABASE_URL in the environment names a Postgres to use instead (its user owns the database and may create roles; on another
host, with sslmode=verify-full in it, or with ANCHORAGE_DATABASE_ALLOW_PLAINTEXT=true);
KUBO_BINARY and ANCHORAGE_NATS_BINARY name the executables to run instead of those that are found or made.
People log in at an identity provider of dev's own, unless ANCHORAGE_OIDC_ISSUER names another.`,
    examples: ['dev', 'dev --nodes 3 --data /tmp/three --reset'],
  },
  (bare) =>
    bare
      .option('--data <DIR>', 'where everything is kept', '.anchorage')
      .option('--port <P>', 'the port of the API; node i has P + i - 1', whole('--port', 1, 65_535), 8080)
      .option('--reset', 'delete the data of DIR first')
      .option(
        '--restart-after <S>',
        'seconds after which a server that died is started again; 0: never',
        (text) => numberOf(text, '--restart-after', 0, 86_400),
        2,
      )
      .option('--public', 'let Kubo join the IPFS network')
      .option(
        '--nodes <N>',
        'how many nodes (as many as at the last start, or 1): 1 or at least 3, since of two neither can lead without the other; a larger N than before grows the cluster, a smaller one needs the others drained first',
        whole('--nodes', 1, maxNodes),
      ),
  async (
    _args,
    { data: dir, port, reset = false, restartAfter, public: isPublic = false, nodes = null },
    io,
  ) => {
    const hangUp = new AbortController()
    process.once('SIGHUP', () => hangUp.abort(new Error('the terminal went away')))
    // `npm start` keeps a channel to this process, so that this process ends when npm is killed.
    process.once('disconnect', () => hangUp.abort(new Error('the process that started us went away')))
    process.channel?.unref()
    if (nodes === 2) io.err(`${twoNodes}\n`)
    const signal = AbortSignal.any([io.signal, hangUp.signal])
    const restartAfterMs = restartAfter === 0 ? null : restartAfter * 1000
    const given = { dir, nodes, port, reset, restartAfterMs, isPublic, env: { ...io.env }, signal }
    try {
      await using cluster = await startDev({ ...given, say: (line) => io.err(`${line}\n`) })
      const startAgain = () => cluster.startAgain()
      process.on('SIGUSR2', startAgain)
      io.out(io.json ? asJson(cluster) : await welcome(cluster))
      await aborted(signal)
      io.err('stopping\n')
    } catch (error) {
      if (!signal.aborted) throw error
    }
    return 0
  },
)

function asJson({ url, org, token, envFile, nodes }: DevCluster): string {
  return json({ url, org, token, envFile, nodes: nodes.map((node) => node.url) })
}

/** How to use the cluster, in lines that can be pasted into a shell. */
async function welcome(cluster: DevCluster): Promise<string> {
  const { url, org, token, kuboBinary, nodes, login } = cluster
  const [cid = ''] = await Promise.all(nodes.map(({ kubo }) => putGreeting(kubo.rpcUrl)))
  const others = nodes.slice(1).map(({ url: base }) => `         ${base}/v1\n`)
  const signIn =
    login === null
      ? ''
      : `\nSign in at ${new URL('/v1/auth/login', url).href} as ${login.users.join(' or ')}, with the password ${login.password}\n`
  const ipfs = kuboBinary.from === 'PATH' ? 'ipfs' : quoted(kuboBinary.path)
  return `
anchorage is ready

  API    ${url}   (docs: ${url}/docs)
${others.join('')}  org    ${org}
  token  ${token}
  shell  . ${quoted(cluster.envFile)}
${signIn}
Pin something with curl (this CID lies in Kubo, not pinned yet):

  curl -X POST ${url}/pins -H 'Authorization: Bearer ${token}' -H 'Content-Type: application/json' -d '{"cid":"${cid}","name":"hello"}'

or with Kubo:

  ${ipfs} pin remote service add dev ${url} ${token}
  ${ipfs} pin remote add --service=dev --name=hello ${cid}

Content of your own: the node fetches from the addresses in "origins"; a running Kubo sends its own with pin remote add.

`
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}

function whole(flag: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = numberOf(text, flag, min, max)
    if (!Number.isInteger(value)) throw new WrongUse(`${flag}: expected a whole number`)
    return value
  }
}

function numberOf(text: string, flag: string, min: number, max: number): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= min && value <= max) return value
  throw new WrongUse(`${flag}: expected ${min === max ? min : `a number from ${min} to ${max}`}, not ${text}`)
}
