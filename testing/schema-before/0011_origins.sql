-- min_code: 1
-- Origins are offered org by org, each org's newest first and no more than 20 of them: what one org offers never stands before what another does.

create index pins_with_origins on pins (cid, org_id, seq) where origins is not null;

-- The origins of a content: [{org, origins}], that of `asking` first, of at most 16 orgs; which of more is left to chance, so that each is
-- among them now and then. The first 256 orgs that offer some are looked at, and of each the newest 100 pins that do.
create function content_origins(content text, asking uuid) returns jsonb language plpgsql volatile as $$
begin
  return (
    with recursive walk (org_id) as (
      (select p.org_id from pins p where p.cid = content and p.origins is not null order by p.org_id limit 1)
      union all
      select (select p.org_id from pins p where p.cid = content and p.origins is not null and p.org_id > w.org_id
              order by p.org_id limit 1)
      from walk w where w.org_id is not null
    ), offered as (
      select w.org_id, o.origins, w.org_id is distinct from asking as is_other
      from ((select org_id from walk limit 256) union select asking) w
      cross join lateral (
        select jsonb_agg(f.origin order by f.place) as origins from (
          select u.origin, min(u.place) as place from (
            select x.origin, row_number() over (order by q.seq desc, x.nr) as place
            from (select p.seq, p.origins from pins p where p.cid = content and p.origins is not null and p.org_id = w.org_id
                  order by p.seq desc limit 100) q
            cross join lateral unnest(q.origins) with ordinality as x (origin, nr)) u
          group by u.origin order by place limit 20) f) o
      where o.origins is not null
      order by is_other, random() limit 16
    )
    select coalesce(jsonb_agg(jsonb_build_object('org', org_id, 'origins', origins) order by is_other), '[]') from offered);
end $$;

-- As in 0003, but for its origins, which tell whether there are any; code that does not know `content_origins` takes them as they come.
create or replace function claim_placements(node uuid, boot bigint, lease_ms bigint, jobs jsonb)
returns table (cid text, generation bigint, state text, attempt int, origins text[], holders text[], verify boolean,
  age_ms bigint, foreign_pin boolean)
language plpgsql as $$
#variable_conflict use_column
declare
  at timestamptz := clock_timestamp();
  tids tid[];
begin
  perform set_config('synchronous_commit', 'off', true);
  select array_agg(p.ctid) into tids
  from (select j.cid, j.generation from jsonb_to_recordset(jobs) as j (cid text, generation bigint) order by j.cid) j
  cross join lateral (
    select q.ctid from placements q
    where q.cid = j.cid and q.node_id = node and q.generation = j.generation
      and q.state in ('queued', 'unpinning') and q.next_attempt_at <= at
      and (q.claimed_until is null or q.claimed_until < at or q.claimed_by <> boot) for update) p;
  if tids is null then return; end if;
  return query
  with taken as (
    update placements q set
      state = case q.state when 'queued' then 'pinning' else q.state end,
      attempts = q.attempts + case q.state when 'queued' then 1 else 0 end,
      -- a claim that is void or ran out may have left work behind in Kubo
      verify = q.verify or q.claimed_until is not null,
      claimed_until = at + make_interval(secs => lease_ms / 1000.0), claimed_by = boot, claimed_generation = q.generation,
      -- the time of the claim: a wake that comes later is told by its wanted_since
      next_attempt_at = at, blocks = 0, bytes = 0
    where q.ctid = any (tids)
    returning q.*
  )
  select t.cid, t.generation, t.state, t.attempts - t.attempts_before,
    array(select o from (select w.origins from pins w where w.cid = t.cid and w.origins is not null limit 20) w, unnest(w.origins) o limit 60),
    -- lost ones last: their nodes do not answer
    array(select a from (select h.node_id, h.lost from placements h
                         where h.cid = t.cid and h.node_id <> node and h.state = 'pinned' offset 0) h
          join nodes n on n.id = h.node_id, unnest(n.multiaddrs) a order by h.lost limit 60),
    t.verify, (extract(epoch from at - t.wanted_since) * 1000)::bigint, t.foreign_pin
  from taken t;
end $$;

revoke all on function content_origins(text, uuid) from public;
grant execute on function content_origins(text, uuid) to anchorage_system;
