-- Brings the pins of these contents in line with the contents' placements and sizes: writes the status and the counted bytes of each pin
-- that differs, and keeps pin_counts and org_usage in step. A CID that is given twice counts once. A lost placement does not count as a
-- copy; one that is leaving still does. At most `most` pins of each content change in one call. When that many have changed in all, the
-- contents are marked (`folding`), and a later transaction goes on.
-- A pin that takes its org over its limit of bytes is refused: it becomes `failed` with `too_big`. Content that only refused pins wanted is
-- released. The caller holds the contents' rows.
-- Locks: the pins that change; reserved_bytes; org_usage in the order of orgs; pin_counts in key order; after a refusal the placements of
-- released content.
create or replace function fold_contents(cids text[], most int default 1000) returns void language plpgsql as $$
declare
  tids tid[];
  orgs uuid[];
  seqs bigint[];
  was text[];
  becomes text[];
  counted bigint[];
  counts bigint[];
  able int := able_nodes();
  refused tid[] := '{}';
  unwanted text[];
begin
  select array_agg(d.ctid), array_agg(d.org_id), array_agg(d.seq), array_agg(d.status), array_agg(d.becomes), array_agg(d.counted_bytes),
    array_agg(d.size)
  into tids, orgs, seqs, was, becomes, counted, counts
  -- one statement sees each pin as it was before, so a CID that came twice would change the counts twice
  from (select distinct x.cid from unnest(cids) as x (cid)) u
  cross join lateral (
    select count(*) filter (where state = 'pinned') as pinned, count(*) filter (where state = 'pinning') as pinning,
      count(*) filter (where state = 'queued') as queued, count(*) filter (where state = 'failed') as failed
    from placements where cid = u.cid and not lost) k
  cross join lateral (select coalesce(c.dag_size, 0) as size from contents c where c.cid = u.cid) s
  cross join lateral (
    select q.ctid, q.org_id, q.seq, q.status, f.becomes, q.counted_bytes, s.size * q.replicas as size from pins q
    cross join lateral (select fold_status(q.status, least(q.replicas, able), k.pinned, k.pinning, k.queued, k.failed) as becomes) f
    where q.cid = u.cid and q.error_code is null and (q.status <> f.becomes or q.counted_bytes <> s.size * q.replicas)
    limit most for update of q) d;
  update contents set folding = false where cid = any (cids) and folding;
  perform give_back_bytes(cids);
  if tids is null then return; end if;
  if counts <> counted then
    refused := weigh_pins(tids, orgs, seqs, counted, counts);
    if refused <> '{}' then
      unwanted := array(select distinct p.cid from pins p where p.ctid = any (refused));
      select array_agg(case when u.tid = any (refused) then 'failed' else u.becomes end order by u.place),
        array_agg(case when u.tid = any (refused) then 0 else u.counts end order by u.place)
      into becomes, counts from unnest(tids, becomes, counts) with ordinality as u (tid, becomes, counts, place);
    end if;
  end if;
  update pins p set status = d.becomes, counted_bytes = d.counts, error_code = case when d.tid = any (refused) then 'too_big' end
  from unnest(tids, becomes, counts) as d (tid, becomes, counts) where p.ctid = d.tid;
  perform count_pins(orgs || orgs, was || becomes,
    array(select s >> 10 from unnest(seqs || seqs) with ordinality as u (s, place) order by place),
    array_fill(-1::bigint, array[cardinality(orgs)]) || array_fill(1::bigint, array[cardinality(orgs)]));
  if refused <> '{}' then perform release_contents(unwanted, 0); end if;
  if cardinality(tids) >= most then
    update contents set folding = true where cid = any (cids);
  end if;
end $$;
