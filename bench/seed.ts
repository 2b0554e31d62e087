import pg from 'pg'

/** The number of pins in a seed that share one name, one CID, and one value of `meta.group`. */
export const groupSize = 100

export interface Seed {
  systemUrl: string
  ownerUrl: string
  slug: string
  /** Contents that are pinned already; the seed's pins share them. */
  cids: string[]
  pins: number
}

/**
 * Gives an org `pins` pinned pins by SQL, all created within the last day, in the state that the accepting transaction leaves. Their
 * content is really pinned, so the workers find nothing to repair.
 */
export async function seedPins({ systemUrl, ownerUrl, slug, cids, pins }: Seed): Promise<void> {
  const system = new pg.Client({ connectionString: systemUrl })
  await system.connect()
  try {
    const { rows } = await system.query<{ id: string }>('select id from orgs where slug = $1', [slug])
    const org = rows[0]?.id
    if (org === undefined) throw new Error(`no org ${slug}`)
    const groups = pins / groupSize
    // statements are small, because the roles' statement_timeout applies here too
    for (let from = 1; from <= pins; from += 5000) {
      const to = Math.min(pins, from + 4999)
      await system.query(insertPins, [
        org,
        from,
        to,
        cids.slice(0, groups),
        groups,
        Math.floor(86_000_000 / pins),
      ])
    }
    await system.query(insertCounts, [org])
  } finally {
    await system.end()
  }
  await vacuum(ownerUrl)
}

const insertPins = `
  with fresh as (
    insert into pins (org_id, id, seq, cid, name, name_folded, meta, replicas, status, created, accepted_at)
    select $1, uuidv7(), n, ($4::text[])[1 + n % $5], 'File-' || n % $5 || '.bin', 'file-' || n % $5 || '.bin',
      jsonb_build_object('all', 'yes', 'group', (n % $5)::text), 1, 'pinned', t.at, t.at
    from generate_series($2::int, $3::int) as n
    cross join lateral (select date_trunc('milliseconds', now() - interval '1 day') + make_interval(secs => n * $6::float8 / 1000) as at) t
    returning id, seq, meta, created
  ), keys as (
    insert into pin_meta (org_id, key, value, seq)
    select $1, meta_key(k.key), meta_key(k.value), seq from fresh cross join lateral jsonb_each_text(meta) k
  )
  update orgs set last_seq = f.seq, last_created = f.created
  from (select max(seq) as seq, max(created) as created from fresh) f where id = $1`

const insertCounts = `
  insert into pin_counts (org_id, status, level, bucket, n)
  select org_id, status, level, seq >> bits, count(*)
  from pins cross join (values (0, 10), (1, 20)) as l (level, bits)
  where org_id = $1 group by 1, 2, 3, 4`

/** Does at once what autovacuum does later: a count within a bucket can use the index alone only when pages are known to be all-visible. */
async function vacuum(ownerUrl: string): Promise<void> {
  const owner = new pg.Client({ connectionString: ownerUrl })
  await owner.connect()
  try {
    for (const table of ['pins', 'pin_meta', 'pin_counts', 'orgs'])
      await owner.query(`vacuum analyze ${table}`)
  } finally {
    await owner.end()
  }
}
